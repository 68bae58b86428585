"""A key distribution centre of its own for a test: two realms that trust each other, in a folder, on ports
above 1024. Only processes that get its environment know it."""

import os
import pathlib
import shutil
import subprocess

from tests.system.harness import HOST, free_port, is_open, wait_until

REALM, OTHER = "EXAMPLE.COM", "OTHER.COM"
TOOLS = {name: shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
         for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")}
INSTALLED = all(TOOLS.values())

KRB5 = """[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  clockskew = {skew}
[realms]
  EXAMPLE.COM = {{
    kdc = {host}:{port}
  }}
  OTHER.COM = {{
    kdc = {host}:{port}
  }}
"""
KDC_OF_REALM = """  {realm} = {{
    database_name = {folder}/{realm}.db
    key_stash_file = {folder}/{realm}.stash
    acl_file = {folder}/acl
    kdc_listen = {host}:{port}
    kdc_tcp_listen = {host}:{port}
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
  }}
"""


class Kdc:
    """Started when made. Principals without a realm are of REALM."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.port = free_port()
        self.config = self.krb5_conf("krb5.conf")
        realms = "".join(KDC_OF_REALM.format(realm=realm, folder=self.folder, host=HOST, port=self.port)
                         for realm in (REALM, OTHER))
        (self.folder / "kdc.conf").write_text(f"[kdcdefaults]\n[realms]\n{realms}")
        self.environment = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
                            "KRB5CCNAME": f"FILE:{self.folder}/nobody.cache"}
        for realm in (REALM, OTHER):
            self.run("kdb5_util", "-r", realm, "-P", "master", "create", "-s")
            # Those of OTHER get tickets for services of REALM.
            self.admin(f"addprinc -pw trust krbtgt/{REALM}@{OTHER}", realm)
        with open(self.folder / "output", "wb") as out:
            self.process = subprocess.Popen([TOOLS["krb5kdc"], "-n", "-r", REALM, "-r", OTHER],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, **self.environment})
        wait_until(lambda: is_open(self.port), "the KDC")

    def krb5_conf(self, name, realm=REALM, skew=300):
        path = self.folder / name
        path.write_text(KRB5.format(realm=realm, host=HOST, port=self.port, skew=skew))
        return path

    def run(self, tool, *arguments):
        done = subprocess.run([TOOLS[tool], *arguments], env={**os.environ, **self.environment}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert done.returncode == 0, f"{tool} {arguments}: {done.stdout}"
        return done.stdout

    def admin(self, query, realm=REALM):
        return self.run("kadmin.local", "-r", realm, "-q", query)

    def keytab(self, principal, realm=REALM):
        """A file with fresh keys of a principal that is made now."""
        path = self.folder / (principal.replace("/", "_").replace("@", "_") + f"_{realm}.keytab")
        self.admin(f"addprinc -randkey {principal}@{realm}", realm)
        self.admin(f"ktadd -k {path} {principal}@{realm}", realm)
        return path

    def cache(self, principal, realm=REALM, life="1h"):
        """A file with a ticket of a person that is made now."""
        keytab = self.keytab(principal, realm)
        path = f"FILE:{keytab}.cache"
        self.run("kinit", "-k", "-t", str(keytab), "-l", life, "-c", path, f"{principal}@{realm}")
        return path

    def stop(self):
        self.process.kill()
        self.process.wait()
