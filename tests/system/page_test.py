"""The HTML page of a run (sim/page) in a real browser: it opens without errors, shows the violation, and stepping works.

The pages are made by `vivsim replay --html` and by the tests of tests/simulation/page_test.cc, which leave theirs in
the folder that VIVARIUM_PAGES names: a violation needs a run that loses more than is promised."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from tests.system.harness import free_port, program, wait_until

PATIENCE_S = 120
LEFT, RIGHT = "\ue012", "\ue014"  # of WebDriver


class Browser:
    """A headless Chromium, by WebDriver's HTTP."""

    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        wait_until(self.is_ready, "chromedriver", PATIENCE_S)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--window-size=1500,950", f"--user-data-dir={self.folder.name}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def is_ready(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except urllib.error.URLError:
            return False

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self.ask("POST", f"{self.session}/url", {"url": path.as_uri()})

    def run(self, script):
        return self.ask("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def press(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def errors(self):
        return [entry for entry in self.ask("POST", f"{self.session}/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def close(self):
        try:
            self.ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(PATIENCE_S)
            self.folder.cleanup()


@unittest.skipUnless(shutil.which("chromium") and shutil.which("chromedriver"),
                     "Chromium and its driver are not installed: make deps-all")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.pages = pathlib.Path(cls.folder.name)
        subprocess.run([program("simulation_tests"), "--gtest_filter=Page.*"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "VIVARIUM_PAGES": str(cls.pages)})
        subprocess.run([program("vivsim"), "replay", "2", "--html", str(cls.pages / "seed.html")], check=True,
                       stdout=subprocess.DEVNULL)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def opened(self, name):
        self.browser.open(self.pages / name)
        wait_until(lambda: self.browser.run("return document.querySelectorAll('.row').length > 0"), "rows of the list")
        self.assertEqual(self.browser.errors(), [])

    def text(self, selector):
        return self.browser.run(f"return document.querySelector('{selector}').innerText")

    def test_an_error_would_be_seen(self):
        broken = self.pages / "broken.html"
        page = (self.pages / "seed.html").read_text()
        broken.write_text(page.replace("begin();\n", "throw new Error('planted');\n"))
        self.browser.open(broken)
        self.assertTrue(any("planted" in entry["message"] for entry in self.browser.errors()))

    def test_a_passing_run(self):
        self.opened("seed.html")
        self.assertEqual(self.text("#title"), "seed 2")
        self.assertEqual(self.text("#verdict"), "nothing was violated")
        self.assertTrue(self.browser.run("return document.getElementById('violation').hidden"))

    def test_a_violation_is_shown(self):
        self.opened("violation.html")
        self.assertRegex(self.text("#verdict"), r"^K-[A-Z0-9-]+ was violated at [0-9.]+ s$")
        self.assertTrue(self.text("#promise").endswith("."))
        self.assertTrue(self.text("#happened"))
        self.assertGreater(self.browser.run("return document.querySelectorAll('#proof li').length"), 0)
        self.browser.run("document.querySelector('#proof button').click()")
        first = self.browser.run("return document.querySelector('#proof button').dataset.event")
        self.assertEqual(self.browser.run("return location.hash"), f"#event-{first}")
        self.assertEqual(self.text("#details .why"), self.text("#proof button span:last-child"))
        # Something is drawn, and not of one colour.
        colours = self.browser.run("""
            const c = document.getElementById('lanes');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return new Set(new Uint32Array(d.buffer)).size""")
        self.assertGreater(colours, 20)

    def test_stepping(self):
        self.opened("violation.html")
        self.browser.run("document.querySelector('#proof button').click()")
        start = self.text("#details")
        self.browser.press(RIGHT)
        after = self.text("#details")
        self.assertNotEqual(after, start)
        self.browser.press(LEFT)
        self.assertEqual(self.text("#details"), start)
        self.browser.press(LEFT, LEFT, RIGHT, RIGHT)
        self.assertEqual(self.text("#details"), start)
        self.browser.press("n")
        self.assertNotEqual(self.text("#details"), start)

    def test_zoom(self):
        self.opened("seed.html")
        whole = self.browser.run("return view.to - view.from")
        self.browser.press("+", "+")
        near = self.browser.run("return view.to - view.from")
        self.assertLess(near, whole / 2)
        self.browser.press("-", "-")
        self.assertGreater(self.browser.run("return view.to - view.from"), near)
        self.browser.press("0")
        self.assertGreaterEqual(self.browser.run("return view.to - view.from"), whole * 0.99)

    def test_finding(self):
        self.opened("seed.html")
        rows = "return Number(document.querySelector('.row').getAttribute('aria-setsize'))"
        every = self.browser.run(rows)
        self.browser.run("document.getElementById('search').value = 'NEWLEADER'; search()")
        self.assertLess(self.browser.run(rows), every / 4)
        self.browser.run("document.getElementById('tab-faults').click()")
        self.assertEqual(self.browser.run("return document.querySelectorAll('#faults li').length"), 20)

    def test_a_window_of_a_long_run_says_so(self):
        self.opened("window.html")
        self.assertIn("too long for one page", self.text("#window"))


if __name__ == "__main__":
    unittest.main()
