"""Log-mel spectrograms: what a short window of sound holds in each band of pitch, as the ear spaces them.

Davis and Mermelstein 1980, "Comparison of Parametric Representations for Monosyllabic Word Recognition in Continuously
Spoken Sentences", without the cosine transform that makes mel-frequency cepstral coefficients of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlbench import UsageError

WINDOW = 256  # samples, 32 ms at 8,000 Hz
FLOOR = 1e-9  # added to the power in a band, full scale being 1: about what the rounding to 16 bits leaves there


class LogMel:
    """`mels` bands (Slaney's scale and weights, librosa's default) of the power of Hann windows, one every `hop`
    samples, the first centred on the first sample, in natural logarithms. Raises UsageError for sizes that make no
    sense."""

    def __init__(self, *, rate: int, mels: int, hop: int) -> None:
        if not 1 <= hop <= WINDOW:
            raise UsageError(f"needs a hop of 1 to {WINDOW} samples, as the window has {WINDOW}, not {hop}")
        if mels < 1:
            raise UsageError(f"needs at least 1 mel band, not {mels}")
        self.hop, self.filters = hop, mel_filters(rate=rate, mels=mels)

    def __call__(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """(N,) -> (1 + N // hop, mels)"""
        import librosa

        sound = np.pad(samples.astype(np.float32) / 32768, WINDOW // 2)  # centred windows, also of very short sounds
        spectrum = librosa.stft(sound, n_fft=WINDOW, hop_length=self.hop, center=False)  # (WINDOW / 2 + 1, T)
        return np.log(self.filters @ np.abs(spectrum) ** 2 + FLOOR).T.astype(np.float32)


def mel_filters(*, rate: int, mels: int) -> NDArray[np.float32]:
    """The weights (mels, WINDOW / 2 + 1) of the frequencies in each band. Raises UsageError where the bands are so many
    that some hold no frequency."""
    import warnings

    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of empty bands, which is an error here
        filters: NDArray[np.float32] = librosa.filters.mel(sr=rate, n_fft=WINDOW, n_mels=mels)
    if not filters.any(axis=1).all():
        raise UsageError(f"{mels} mel bands are too many: some hold no frequency of a window of {WINDOW} samples")
    return filters
