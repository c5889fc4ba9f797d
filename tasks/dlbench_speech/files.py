"""The file of the speech task: its checksum, and how to make it from what its authors publish."""

from __future__ import annotations

from dlbench import DataFile, DataSet

RECORDINGS = "speech/fsdd/recordings.tar"

FSDD = DataSet(
    name="fsdd",
    files=(
        DataFile(
            path=RECORDINGS,
            sha256="9cbd40a399fee10d4611dc8ffe6de219695fd804a62dfb43373f183715b43877",
        ),
    ),
    licence="CC BY-SA 4.0",
    source="the folder recordings of https://github.com/Jakobovski/free-spoken-digit-dataset at commit 26eb9aaf, "
    "packed beside it by Python's tarfile: tar = tarfile.open('recordings.tar', 'w', format=tarfile.USTAR_FORMAT); "
    "for path in sorted(Path('recordings').glob('*.wav')): m = tarfile.TarInfo(str(path)); m.size = "
    "path.stat().st_size; tar.addfile(m, path.open('rb')); and tar.close(). GNU tar's `tar --format=ustar --sort=name "
    "-cf recordings.tar recordings` holds the same recordings, but hasn't the same checksum",
)
