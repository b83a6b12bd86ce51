# SPDX-License-Identifier: MIT
"""How a test of a lab ends: nothing of it is left, and when it failed it is told why."""
import contextlib
import os
import shutil
import subprocess


@contextlib.contextmanager
def torn_down(lab_dir, base, logs=0):
    """The lab in lab_dir goes down and the folder base goes; on a failure the ends of the logs of
    so many nodes are printed first."""
    try:
        yield
    except BaseException:
        for i in range(1, logs + 1):
            try:
                print(f"--- node{i}", open(f"{lab_dir}/node{i}.log").read()[-3000:], sep="\n")
            except OSError:
                pass
        raise
    finally:
        if os.path.isdir(lab_dir):
            subprocess.run([os.environ["COVEY"], "lab", "down", "--dir", lab_dir],
                           stdout=subprocess.DEVNULL)
        shutil.rmtree(base, ignore_errors=True)
