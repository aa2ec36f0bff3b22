"""What a sweep asks for that glorot has not: the nearest name, or one sentence on what there is instead."""

from collections.abc import Iterable

from glorot.errors import nearest

LAYERS = "glorot has fully connected networks without it, so that what they do shows what weights and activations do"
ABSENT = {
    "batch_norm": LAYERS,
    "batchnorm": LAYERS,
    "batch_normalization": LAYERS,
    "layer_norm": LAYERS,
    "normalization": LAYERS,
    "dropout": LAYERS,
    "residual": LAYERS,
    "skip_connections": LAYERS,
    "weight_decay": "glorot has no penalty on weights: the error that is minimized is the loss alone",
    "l1": "glorot has no penalty on weights: the error that is minimized is the loss alone",
    "l2": "glorot has no penalty on weights: the error that is minimized is the loss alone",
    "regularization": "glorot has no penalty on weights: the error that is minimized is the loss alone",
    "early_stopping": "a run has a fixed number of updates; its history has the errors on the way (evaluate_every)",
    "patience": "a run has a fixed number of updates; its history has the errors on the way (evaluate_every)",
    "epochs": "lengths are in updates: epochs times training examples, divided by batch_size",
    "epoch": "lengths are in updates: epochs times training examples, divided by batch_size",
    "steps": "lengths are in updates",
    "iterations": "lengths are in updates",
    "gradient_clipping": "gradients are taken as they are: how they vanish or explode is what is studied",
    "clip_norm": "gradients are taken as they are: how they vanish or explode is what is studied",
    "precision": "everything is computed in float32",
    "dtype": "everything is computed in float32",
    "gpu": "the device is no part of a sweep: glorot run SWEEP --device cuda",
    "device": "the device is no part of a sweep: glorot run SWEEP --device cuda",
    "threads": "threads change no result, so they are no part of a sweep: glorot run SWEEP -j N",
    "jobs": "jobs change no result, so they are no part of a sweep: glorot run SWEEP -j N",
    "output": "where results go is no part of a sweep: glorot run SWEEP --output FOLDER",
    "plugin": "a sweep names the plug-ins it needs in plugins: [FILE], beside base",
}


def hint(name: str, names: Iterable[str]) -> str:
    """What to say behind an unknown key: "; did you mean optimizer?", or what glorot has instead."""
    names = tuple(names)
    known = name.lower().replace("-", "_")
    return f"; {ABSENT[known]}" if known in ABSENT and known not in names else nearest(name, names)
