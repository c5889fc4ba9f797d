"""The table of torch's own optimizers. Options have torch's names and defaults, with tuples spelled out. No torch."""

from __future__ import annotations

from .rows import Maybe, Row

EVERYWHERE = ("cpu", "cuda")
ADAM = "Kingma and Ba (2015), Adam: A Method for Stochastic Optimization"
MOMENTS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
FUSED = {"fused": Maybe("bool")}

LEFT_OUT = {"SparseAdam": "takes sparse gradients only", "Muon": "takes matrices only; `muon` gives it company"}
"""Classes of `torch.optim` that aren't in the table, and why."""

ROWS = (
    Row(
        name="sgd",
        target="SGD",
        options={"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, **FUSED},
        fused=EVERYWHERE,
        paper="Robbins and Monro (1951), A Stochastic Approximation Method",
        doc="SGD with heavy-ball or Nesterov momentum. Weight decay w adds w / 2 times the squared norm to the loss.",
    ),
    Row(
        name="asgd",
        target="ASGD",
        options={"lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0.0},
        paper="Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging",
        doc="Averaged SGD. torch keeps the average from step `t0` on in the state `ax` and steps the weights "
        "themselves, which are what is judged; weight averaging for judging is a regularizer (`ema`).",
    ),
    Row(
        name="rprop",
        target="Rprop",
        options={"eta_minus": 0.5, "eta_plus": 1.2, "step_min": 1e-6, "step_max": 50.0},
        paper="Riedmiller and Braun (1993), A Direct Adaptive Method for Faster Backpropagation Learning",
        doc="Resilient backpropagation: signs only, for full batches. `lr` is the first step of every weight: torch "
        "then keeps a step per weight, so a schedule has no effect. It has no weight decay.",
    ),
    Row(
        name="adagrad",
        target="Adagrad",
        options={"lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10, "weight_decay": 0.0, **FUSED},
        fused=("cpu",),
        paper="Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods",
        doc="Adagrad. Its fused kernel is chosen on the CPU only, as torch did not have one for CUDA from the start.",
    ),
    Row(
        name="adadelta",
        target="Adadelta",
        options={"rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
        paper="Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method",
        doc="Adadelta; the paper's rule is `lr` = 1.",
    ),
    Row(
        name="rmsprop",
        target="RMSprop",
        options={"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False, "weight_decay": 0.0},
        paper="Tieleman and Hinton (2012), Lecture 6.5: RMSprop",
        doc="RMSprop, with eps outside the root.",
    ),
    Row(
        name="adam",
        target="Adam",
        options={**MOMENTS, "weight_decay": 0.0, "amsgrad": False, **FUSED},
        fused=EVERYWHERE,
        paper=ADAM,
        doc="Adam; weight decay goes through the gradient, as an L2 penalty.",
    ),
    Row(
        name="adamw",
        target="AdamW",
        options={**MOMENTS, "weight_decay": 0.01, "amsgrad": False, **FUSED},
        fused=EVERYWHERE,
        paper="Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization",
        doc="Adam with decoupled weight decay: each step shrinks the weights by lr * weight_decay.\n\nThe default "
        "decay is torch's 0.01, not 0. A recipe's `weight_decay` replaces it where it isn't 0; `adamw` without any "
        "decay is written `adamw[weight_decay=0.0]`.",
    ),
    Row(
        name="adamax",
        target="Adamax",
        options={**MOMENTS, "weight_decay": 0.0},
        paper=ADAM,
        doc="Adam under the infinity norm.",
    ),
    Row(
        name="nadam",
        target="NAdam",
        options={**MOMENTS, "weight_decay": 0.0, "momentum_decay": 0.004, "decoupled_weight_decay": False},
        paper="Dozat (2016), Incorporating Nesterov Momentum into Adam",
        doc="Adam with Nesterov momentum.",
    ),
    Row(
        name="radam",
        target="RAdam",
        options={**MOMENTS, "weight_decay": 0.0, "decoupled_weight_decay": False},
        paper="Liu et al. (2020), On the Variance of the Adaptive Learning Rate and Beyond",
        doc="Adam that waits with its adaptive step until the variance estimate is sound.",
    ),
    Row(
        name="adafactor",
        target="Adafactor",
        options={"beta2_decay": -0.8, "eps1": Maybe("float"), "eps2": 1e-3, "d": 1.0, "weight_decay": 0.0},
        paper="Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
        doc="Second moments kept as row and column means. `eps1` None means the machine epsilon of the parameter's "
        "dtype.",
    ),
    Row(
        name="lbfgs",
        target="LBFGS",
        options={
            "max_iter": 20, "max_eval": Maybe("int"), "tolerance_grad": 1e-7, "tolerance_change": 1e-9,
            "history_size": 100, "line_search_fn": Maybe("str"),
        },
        closure=True,
        paper="Liu and Nocedal (1989), On the Limited Memory BFGS Method for Large Scale Optimization",
        doc="Limited-memory BFGS, for full batches: one step runs up to `max_iter` iterations and evaluates the loss "
        "at least as often. `lr` is the length of the step along the direction, so 1 is the natural one, far above the "
        "learning rates of first-order methods. `line_search_fn` is none or strong_wolfe. It has no weight decay.",
    ),
)  # fmt: skip
