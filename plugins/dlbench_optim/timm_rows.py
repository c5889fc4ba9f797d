"""The table of timm's optimizers, under timm's names with `timm_` in front. No torch.

Options have timm's names, with tuples spelled out, and the defaults of `timm.optim.create_optimizer_v2`: so no weight
decay, and momentum 0.9 in every optimizer that has a momentum. `VARIANTS` are names that set options of another row.
"""

from __future__ import annotations

from collections.abc import Iterator

from .rows import Maybe, Row

MOMENTS = {"beta1": 0.9, "beta2": 0.999}
EPS, DECAY = {"eps": 1e-8}, {"weight_decay": 0.0}
ADAMW = {**MOMENTS, **EPS, **DECAY}
TRUST = {"trust_clip": False, "always_adapt": False}
RADIAL = {"delta": 0.1, "wd_ratio": 0.1}
CAUTIOUS = "Liang et al. (2024), Cautious Optimizers"

FIRST = (
    ("adabelief", {**MOMENTS, "eps": 1e-16, **DECAY, "rectify": False, "decoupled_decay": True},
     "Zhuang et al. (2020), AdaBelief Optimizer", "Second moments around the predicted gradient."),
    ("adafactor", {"eps": 1e-30, "eps_scale": 1e-3, "clip_threshold": 1.0, "decay_rate": -0.8, **DECAY,
                   "min_dim_size_to_factor": 16},
     "Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
     "Adafactor with a step that is scaled by the parameter; timm has its own."),
    ("adafactorbv", {"min_dim_size_to_factor": 16, "decay_rate": 0.8, "beta2_cap": 0.999, "momentum": 0.9, **DECAY},
     "Zhai et al. (2022), Scaling Vision Transformers", "Adafactor as Big Vision has it, its momentum in bfloat16."),
    ("adamp", {**MOMENTS, **EPS, **DECAY, "delta": 0.1, "wd_ratio": 0.01, "nesterov": True},
     "Heo et al. (2021), AdamP", "Adam without the radial part of the step on scale-invariant weights."),
    ("adan", {"beta1": 0.98, "beta2": 0.92, "beta3": 0.99, **EPS, **DECAY, "no_prox": False},
     "Xie et al. (2022), Adan: Adaptive Nesterov Momentum Algorithm", "Adaptive Nesterov momentum."),
    ("adopt", {"beta1": 0.9, "beta2": 0.9999, "eps": 1e-6, **DECAY, "decoupled": False},
     "Taniguchi et al. (2024), ADOPT: Modified Adam Can Converge with Any beta2",
     "Adam that scales by the previous step's second moment."),
    ("cadamw", ADAMW, CAUTIOUS, "AdamW that moves only where step and gradient agree in sign."),
    ("kron", {"momentum": 0.9, **DECAY, "precond_lr": 0.1, "deterministic": False},
     "Li (2018), Preconditioned Stochastic Gradient Descent", "PSGD with Kronecker-factored preconditioners."),
    ("lamb", {**MOMENTS, "eps": 1e-6, **DECAY, "max_grad_norm": Maybe("float", 1.0), **TRUST},
     "You et al. (2020), Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes",
     "Adam with a trust ratio per layer. It clips the global gradient norm to `max_grad_norm` by itself."),
    ("laprop", {**MOMENTS, "eps": 1e-15, **DECAY},
     "Ziyin, Wang and Ueda (2020), LaProp: Separating Momentum and Adaptivity in Adam",
     "Adam with the momentum taken after the scaling."),
    ("lars", {"momentum": 0.9, "dampening": 0.0, "nesterov": False, **DECAY, "trust_coeff": 0.001, **TRUST},
     "You, Gitman and Ginsburg (2017), Large Batch Training of Convolutional Networks",
     "SGD with a trust ratio per layer. timm applies the ratio only where there is weight decay, unless "
     "`always_adapt`."),
    ("lion", {"beta1": 0.9, "beta2": 0.99, **DECAY},
     "Chen et al. (2023), Symbolic Discovery of Optimization Algorithms",
     "The sign of an interpolated momentum; it wants a learning rate 3 to 10 times below Adam's."),
    ("madgrad", {"momentum": 0.9, "eps": 1e-6, **DECAY},
     "Defazio and Jelassi (2021), Adaptivity without Compromise", "Dual averaging with adaptive steps."),
    ("mars", {"beta1": 0.9, "beta2": 0.99, **EPS, **DECAY, "gamma": 0.025},
     "Yuan et al. (2024), MARS: Unleashing the Power of Variance Reduction",
     "AdamW on variance-reduced gradients; vectors are trained by plain AdamW."),
    ("muon", {"momentum": 0.9, "nesterov": False, "ns_steps": 5, "beta1": 0.9, "beta2": 0.95, **DECAY},
     "Jordan et al. (2024), Muon: An Optimizer for Hidden Layers in Neural Networks",
     "Momentum made orthogonal, for matrices and (flattened) convolutions; vectors are trained by AdamW with `beta1` "
     "and `beta2`. torch's own Muon, which takes matrices only, is in `muon`."),
    ("nadamw", ADAMW, "Dozat (2016), Incorporating Nesterov Momentum into Adam",
     "Adam with Nesterov momentum and decoupled weight decay, as AlgoPerf has it (no schedule on the momentum)."),
    ("novograd", {"beta1": 0.95, "beta2": 0.98, **EPS, **DECAY},
     "Ginsburg et al. (2019), Stochastic Gradient Methods with Layer-wise Adaptive Moments",
     "Second moments per layer instead of per weight."),
    ("rmsproptf", {"alpha": 0.9, "eps": 1e-10, "momentum": 0.9, "centered": False, **DECAY},
     "Tieleman and Hinton (2012), Lecture 6.5: RMSprop",
     "RMSprop as TensorFlow has it: eps inside the root, second moments that start at one."),
    ("sgdp", {"momentum": 0.9, "nesterov": True, **DECAY, **RADIAL},
     "Heo et al. (2021), AdamP", "SGD without the radial part of the step on scale-invariant weights."),
    ("sgdw", {"momentum": 0.9, "nesterov": True, **DECAY},
     "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization", "SGD with decoupled weight decay."),
)  # fmt: skip

CORRECTED = "weight decay in proportion to the squared learning rate, as Defazio (2025) corrects it"
DECOUPLED = "decoupled weight decay"
VARIANTS = {
    "adabelief": {"radabelief": ("rectified", "rectify")},
    "adafactor": {"cadafactor": ("cautious, with momentum 0.9",)},
    "adafactorbv": {
        "adafactorbvc": (CORRECTED,), "cadafactorbv": ("cautious",), "cadafactorbvc": (f"cautious, {CORRECTED}",),
    },
    "adamp": {"cadamp": ("cautious",)},
    "adan": {
        "adanw": (DECOUPLED, "no_prox"), "cadan": ("cautious",), "cadanw": (f"cautious, {DECOUPLED}", "no_prox"),
    },
    "adopt": {
        "adoptc": (CORRECTED, "decoupled"), "adoptw": (DECOUPLED, "decoupled"), "cadopt": ("cautious",),
        "cadoptc": (f"cautious, {CORRECTED}", "decoupled"), "cadoptw": (f"cautious, {DECOUPLED}", "decoupled"),
    },
    "cadamw": {"adamc": (f"not cautious, {CORRECTED}",), "cadamc": (CORRECTED,)},
    "kron": {"kronc": (CORRECTED,), "kronw": (DECOUPLED,)},
    "lamb": {
        "clamb": ("cautious",), "clambw": (f"cautious, {DECOUPLED}",), "lambc": ("clipped trust", "trust_clip"),
        "lambcd": (CORRECTED,), "lambcw": (f"clipped trust, {DECOUPLED}", "trust_clip"), "lambw": (DECOUPLED,),
    },
    "laprop": {"claprop": ("cautious",), "lapropc": (CORRECTED,)},
    "lars": {
        "larc": ("clipped trust", "trust_clip"), "nlarc": ("Nesterov, clipped trust", "nesterov", "trust_clip"),
        "nlars": ("Nesterov", "nesterov"),
    },
    "lion": {"clion": ("cautious",), "clionc": (f"cautious, {CORRECTED}",), "lionc": (CORRECTED,)},
    "madgrad": {"madgradw": (DECOUPLED,)},
    "mars": {"cmars": ("cautious",)},
    "muon": {
        "adamuon": ("second moments of the orthogonal step",), "nmuon": ("Nesterov", "nesterov"),
        "nadamuon": ("second moments of the orthogonal step, Nesterov", "nesterov"),
    },
    "nadamw": {"cnadamc": (f"cautious, {CORRECTED}",), "cnadamw": ("cautious",), "nadamc": (CORRECTED,)},
    "novograd": {"novogradc": (CORRECTED,), "novogradw": (DECOUPLED,)},
    "rmsproptf": {"crmsproptf": ("cautious",), "rmsproptfc": (CORRECTED,), "rmsproptfw": (DECOUPLED,)},
    "sgdp": {"csgdp": ("cautious", "nesterov")},
    "sgdw": {
        "csgdc": (f"cautious, {CORRECTED}", "nesterov"), "csgdw": ("cautious", "nesterov"),
        "nesterovw": ("Nesterov", "nesterov"), "sgdc": (CORRECTED, "nesterov"),
    },
}  # fmt: skip
"""Row -> timm's name of the variant -> what it changes, and the options that it thereby fixes."""

LEFT_OUT = {
    "adahessian": "needs second derivatives, which minimize doesn't keep",
    "adamwlegacy nadamlegacy radamlegacy": "torch's adamw, nadam and radam, older",
}
"""timm's optimizers that are neither here nor torch's nor another library's, and why."""


def rows() -> Iterator[Row]:
    """Every optimizer that timm brings itself and that can be trained with."""
    for name, options, paper, doc in FIRST:
        yield Row(name=f"timm_{name}", target=name, options=options, paper=paper, doc=doc)
        for variant, (change, *fixed) in VARIANTS.get(name, {}).items():
            left = {key: value for key, value in options.items() if key not in fixed}
            cited = CAUTIOUS if "cautious" in change and "not cautious" not in change else paper
            text = f"timm_{name}: {change}."
            yield Row(name=f"timm_{variant}", target=variant, options=left, paper=cited, doc=text)
