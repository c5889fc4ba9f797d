"""The C parts that torch's CUDA build needs on a machine without a GPU, compiled into a temporary folder.

`libpretend.so` stands in for the driver (it has its soname, so that it is found in its place) and tells torch how many
devices there are. `libspy.so` stands in for it as well, and counts who looks for it: the CUDA runtime, whoever links it
and however, begins by asking the driver.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

COMPILER = shutil.which("cc") or shutil.which("gcc")
WHY_NOT = (
    "this torch is built without CUDA" if torch.version.cuda is None
    else "there is no C compiler" if COMPILER is None
    else "these stand-ins are for Linux" if sys.platform != "linux"
    else ""
)  # fmt: skip
CANT_PRETEND = WHY_NOT or (
    "" if hasattr(torch._C, "_ensureCUDADeviceGuardSet") else "this torch can't guard a device that isn't there"
)
FAILS = 100  # CUDA_ERROR_NO_DEVICE
DEVICES = """
int pretend_devices = 0;  /* none until the no-op device guard is in place */
signed char _ZN3c104cuda12device_countEv(void) { return (signed char)pretend_devices; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = *active = 0; return 0; }
"""
SPY = """
static int questions = 0;
int spy_questions(void) { return questions; }
int cuInit(unsigned flags) { questions++; return 100; }
int cuDriverGetVersion(int *version) { questions++; return 100; }
int cuGetProcAddress(const char *name, void **found, int version, unsigned long flags) { questions++; return 100; }
int cuGetProcAddress_v2(const char *name, void **found, int version, unsigned long flags, int *status) {
    questions++;
    return 100;
}
"""


def compiled(folder: Path, name: str, source: str) -> Path:
    """A shared library `name` of this C source, under the driver's soname."""
    library, text = folder / f"lib{name}.so", folder / f"{name}.c"
    text.write_text(source)
    command = [COMPILER or "cc", "-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1", "-o", str(library), str(text)]
    subprocess.run(command, check=True)
    return library


def stand_in(folder: Path) -> Path:
    """A driver that knows no device and says so whatever it is asked, with all functions that torch looks up."""
    library = Path(torch.__file__).parent / "lib" / "libcaffe2_nvrtc.so"
    wanted = {name.decode() for name in re.findall(rb"(?<=\0)cu[A-Z]\w+(?=\0)", library.read_bytes())}
    others = sorted(wanted - {"cuDevicePrimaryCtxGetState"})
    functions = "".join(f"int {name}(void) {{ return {FAILS}; }}\n" for name in others)
    return compiled(folder, "pretend", DEVICES + functions)


def python(arguments: list[str], library: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """A fresh Python with a library in the driver's place and no device in sight; it finds modules as this one does."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {**os.environ, "LD_PRELOAD": str(library), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, **more)


def printed(script: str, folder: Path, **more: Any) -> str:
    """What a script of this folder prints with a library in the driver's place."""
    done = python([str(Path(__file__).with_name(script))], stand_in(folder), **{"timeout": 300, **more})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
