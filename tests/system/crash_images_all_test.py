"""crash_images_test.py with every run of tests/simulation that makes crash images."""

import shutil
import unittest

from tests.system.apache_test import JAR
from tests.system.crash_images_test import ImagesForZooKeeper


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
@unittest.skipUnless(shutil.which("javac"), "there is no javac (package default-jdk-headless)")
class AllCrashImages(ImagesForZooKeeper):
    def test_zookeeper_starts_on_them_with_the_same_tree(self):
        self.assertGreater(self.all_load("*CrashImagesOf*", 2000, 500), 0)


if __name__ == "__main__":
    unittest.main()
