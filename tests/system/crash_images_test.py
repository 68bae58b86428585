"""What power loss may leave of our data directories, loaded by the real ZooKeeper 3.8 (RULES 6): the images that tests/simulation
makes, each beside the tree that our recovery makes of it and the one that ZooKeeper's rules give by our reading
(tests/simulation/apache_start_conditions.h). All are loaded in one Java process by the code with which its servers start,
QuorumPeer's own for members: a process for each would take hours. Of images in which ZooKeeper sees the same there is one."""

import collections
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.system.apache_test import JAR
from tests.system.harness import figure, program

# Of every kind of change in a directory one run; tests/system/crash_images_all_test.py takes them all.
SOME = ":".join(["*CrashImagesOfServers.*/1", "*CrashImagesOfServers.*/7", *(f"*CrashImagesOfStorage.{name}/One" for name in (
    "Founding", "EpochsAndAppends", "HistoryBeforeEpoch", "TruncationBelowASnapshot", "InstallOverAStaleTail",
    "InstallIntoABlankDirectory", "Standalone", "RecordsOfManySectors"))])
SOURCE = pathlib.Path(__file__).parent / "clients" / "LoadDirectories.java"

# As its servers are started beside ours. Containers and TTL nodes are there, whatever its servers may create.
OPTIONS = ["-Xmx400m", "-XX:TieredStopAtLevel=1", "-Dzookeeper.admin.enableServer=false",
           "-Dzookeeper.extendedTypesEnabled=true"]
# What it says of a record of ours in which a sector is missing, as of one of its own.
REFUSES = "CRC check failed"


class ImagesForZooKeeper(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vivarium-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def make_images(self, tests):
        images = self.folder / "images"
        images.mkdir()
        done = subprocess.run([program("simulation_tests"), f"--gtest_filter={tests}", "--gtest_brief=1"],
                              env={**os.environ, "VIVARIUM_CRASH_IMAGES": str(images)}, capture_output=True, text=True,
                              timeout=900, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        return sorted(images.iterdir())

    def load(self, images):
        classes = self.folder / "classes"
        subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", JAR, SOURCE], check=True, timeout=120, capture_output=True)
        kinds = [f"{(image / 'rules').read_text().split()[0]} {image}\n" for image in images]
        done = subprocess.run(["java", *OPTIONS, "-cp", f"{classes}:{JAR}", "LoadDirectories"], input="".join(kinds),
                              capture_output=True, text=True, timeout=900, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])

    def complaint(self, image):
        """None: ZooKeeper did with it what it should."""
        kind, verdict, agree, *epochs = (image / "rules").read_text().split()
        read = (image / "read").read_text()
        if not (image / "apache").exists():
            refused = (image / "refused").read_text()
            expected = verdict == "refuses" and REFUSES in read and REFUSES in refused
            return None if expected else f"refused: {refused[:600]}; by our reading: {verdict}, {read[:200]}"
        if verdict == "refuses":
            return f"it starts, and by our reading it does not: {read}"
        apache = (image / "apache").read_text()
        if apache != read:
            return f"another tree than by our reading\n{difference(read, apache)}"
        recovered = (image / "recovered").read_text()
        if agree == "agree" and apache != recovered:
            return f"another tree than our recovery's\n{difference(recovered, apache)}"
        if kind == "member" and (image / "apache_epochs").read_text().split() != epochs:
            return f"epochs {(image / 'apache_epochs').read_text().strip()}, by our reading {epochs}"
        return None

    def all_load(self, tests, images_min, trees_min):
        images = self.make_images(tests)
        self.assertGreater(len(images), images_min)
        self.load(images)
        wrong = [(image, complaint) for image in images if (complaint := self.complaint(image))]
        for image, complaint in wrong[:5]:
            print(f"{image.name}: {(image / 'made_by').read_text()}{complaint}", flush=True)
        self.assertFalse(wrong, f"{len(wrong)} of {len(images)} images")
        kinds = collections.Counter(tuple((image / "rules").read_text().split()[:3]) for image in images)
        trees = len({(image / "apache").read_text() for image in images if (image / "apache").exists()})
        refused = sum(count for kind, count in kinds.items() if kind[1] == "refuses")
        figure(f"{len(images)} crash images with {trees} different trees loaded by ZooKeeper, {refused} of them refused by both")
        for kind in [("member", "starts", "agree"), ("member", "starts", "differ"), ("standalone", "starts", "agree")]:
            self.assertGreater(kinds[kind], 0, kind)
        self.assertGreater(trees, trees_min)
        return refused


def difference(ours, theirs):
    ours, theirs = ours.splitlines(), theirs.splitlines()
    return "\n".join([f"  ours   {line}" for line in ours if line not in theirs][:4] +
                     [f"  theirs {line}" for line in theirs if line not in ours][:4])


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
@unittest.skipUnless(shutil.which("javac"), "there is no javac (package default-jdk-headless)")
class CrashImages(ImagesForZooKeeper):
    def test_zookeeper_starts_on_them_with_the_same_tree(self):
        self.all_load(SOME, 500, 150)


if __name__ == "__main__":
    unittest.main()
