"""Name of a measure of made videos -> its label, unit, and which way is better; the order of every table."""

from talkface.metrics.table import Better, Quantity

_GROUPS: dict[str, list[tuple[str, str, str, Better, str]]] = {
    "lips": [
        ("opening_r", "opening r", "", "higher", "correlation of the inner-lip opening with the real one's, lag 0"),
        ("opening_r_best", "opening r, best lag", "", "higher", "the same at the best lag within ±5 frames"),
        ("opening_lag", "best lag", "frames", "zero", "by how much the made mouth is late, at 25 frames/s"),
        ("opening_std", "opening range", "of real", "like real", "deviation of the opening over the real one's"),
        ("lip_distance_r", "lip distance r", "", "higher", "as opening r, the gap freed of head pose by a 3-D fit"),
        ("lmd_norm", "LMD, of eye distance", "", "lower", "mean of 20 centred mouth points over the eye distance"),
        ("lmd_mean", "M-LMD (LMD, mean of 20)", "px", "lower", "as the papers' formula reads, pixels of the 256² crop"),
        ("lmd_sum", "LMD, sum of 20", "px", "lower", "as ATVGnet's script computes it, pixels of the crop"),
        ("f_lmd", "F-LMD", "px", "lower", "all 68 points, centred, mean, pixels of the 256² crop"),
        ("lvd", "M-LVD", "px per frame", "lower", "difference of the mouth points' steps, as EAT's script computes it"),
    ],
    "voice": [
        ("energy_r", "opening-loudness r", "", "like real", "correlation of opening and sound level at its best lag"),
        ("energy_lag", "opening-loudness lag", "frames", "like real", "that lag; positive where the mouth is late"),
        ("lse_c", "LSE-C", "", "higher", "SyncNet: median less least distance over ±15 frames"),
        ("lse_d", "LSE-D", "", "lower", "SyncNet: distance at the best shift"),
        ("av_offset", "AV offset", "frames", "zero", "SyncNet: the best shift; positive where the sound is early"),
    ],
    "picture": [
        ("ssim", "SSIM", "", "higher", "Gaussian window 11x11, sigma 1.5, luma"),
        ("psnr", "PSNR", "dB", "higher", "of the clip's mean squared error, RGB, in floating point"),
        ("lpips", "LPIPS", "", "lower", "torchmetrics, every 5th frame"),
        ("fid", "FID", "", "lower", "torchmetrics, Inception pool3, every 5th frame; few frames bias it"),
        ("cpbd", "CPBD", "", "like real", "share of edges that look sharp, every 5th frame"),
        ("sharpness", "sharpness, face", "grey levels", "like real", "Laplacian's deviation in an upright face patch"),
        ("mouth_sharpness", "sharpness, mouth", "grey levels", "like real", "the same in the mouth's box"),
        ("drift", "sharpness, end/start", "", "like real", "last fifth over first fifth: 1 holds, below it fades"),
        ("seam", "seam", "grey levels", "like real", "largest lasting step around the mouth, beyond the photo's"),
    ],
    "person": [
        ("identity_distance", "identity distance", "", "lower", "dlib descriptor to the photo: one person below 0.6"),
        ("csim_dlib", "CSIM, dlib", "", "higher", "cosine of dlib descriptors: not ArcFace, not the papers' CSIM"),
        ("csim_arcface", "CSIM, ArcFace", "", "higher", "cosine to the photo by the given ONNX network"),
        ("faceless", "frames without face", "share", "lower", "share of the frames in which no face is found"),
    ],
    "motion": [
        ("blink_rate", "blinks", "per s", "like real", "spells below .78 of this person's open eyes"),
        ("blink_duration", "blink duration", "s", "like real", "mean time with the eyes less than open"),
        ("head_diversity", "head diversity", "degrees", "like real", "deviation of pitch, yaw and roll"),
        ("beat_alignment", "beat alignment", "", "like real", "head turns at speech onsets, 0.12 s tolerance"),
        ("flicker", "flicker", "grey levels", "like real", "pixels against the mean of their neighbours in time"),
        ("brightness_flicker", "brightness flicker", "grey levels", "like real", "the same of the mean luma"),
        ("jitter", "jitter", "1/1000 eye distance", "like real", "tremble of eye corners and nose"),
    ],
}

MEASURES = tuple(
    Quantity(name, label, unit, better=better, group=group, about=about)
    for group, rows in _GROUPS.items()
    for name, label, unit, better, about in rows
)
"""Pictures are compared on a 256x256 face crop that is fixed over the clip."""
