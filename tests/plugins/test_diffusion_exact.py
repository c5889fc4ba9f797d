"""dlbench_diffusion against closed forms: schedules, steps back, flows, bounds, and perfect networks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusionparts import DATA, POINTS, SPECS, TASKS, Knowing, Mixture, Seen, batch_of, perfect_ddpm, ring
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from dlbench_diffusion.ddpm_learner import DDPM
from dlbench_diffusion.schedules import SCHEDULES, alpha_bars, implicit, posterior, way_back
from dlbench_diffusion.vae_learner import VAE, divergence
from dlbench_diffusion.walks import denoise, integrate

pytestmark = pytest.mark.numbers


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Silent(nn.Module):
    """Answers 0 whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, noisy: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        return self.weight * noisy


class Loss:
    """`Optimizers` that only computes."""

    def minimize(self, loss: Any, part: str | None = None) -> Tensor:
        return loss().detach()


# --- schedules -----------------------------------------------------------------------------------------------


def test_the_published_schedule_leaves_what_is_published() -> None:
    assert float(alpha_bars("linear", 1000)[-1]) == pytest.approx(4.04e-5, rel=2e-3)


def test_log_snr_is_a_straight_line_from_12_to_minus_8() -> None:
    bars = alpha_bars("log_snr", 100)
    line = (bars / (1 - bars)).log()
    assert (float(line[0]), float(line[-1])) == pytest.approx((12, -8), abs=1e-9)
    assert line.diff().tolist() == pytest.approx([-20 / 99] * 99, abs=1e-8)


def test_cosine_is_half_gone_at_half_time() -> None:
    bars = alpha_bars("cosine", 1000)
    places = (torch.arange(1, 1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2
    curve = places.cos().square() / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert bars[:990].tolist() == pytest.approx(curve[:990].tolist())
    assert float(bars[499]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [25, 100, 1000])
def test_every_schedule_falls_from_nearly_all_to_nearly_nothing(schedule: str, steps: int) -> None:
    bars = alpha_bars(schedule, steps)
    assert bars.shape == (steps,)
    assert bool((bars.diff() < 0).all())
    assert float(bars[0]) > 0.98
    assert 0 < float(bars[-1]) < 5e-4


# --- steps back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ddim_with_all_steps_and_eta_1_takes_the_posterior_s_steps(schedule: str) -> None:
    bars = alpha_bars(schedule, 100)
    ddpm, ddim = way_back(bars, 100, "ddpm"), way_back(bars, 100, "ddim", eta=1.0)
    assert [step.index for step in ddpm] == list(range(99, -1, -1))
    example = torch.randn(5, 3, dtype=torch.float64)
    for one, other in zip(ddpm, ddim, strict=True):
        assert one[:3] == other[:3]
        noisy, noise = one.signal * example + one.spread * torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3)
        first = one.clean * example + one.noisy * noisy + one.sd * noise
        second = other.clean * example + other.noisy * noisy + other.sd * noise
        assert float((first - second).abs().max()) < 1e-12
    assert all(abs(a.sd - b.sd) > 1e-4 for a, b in zip(ddpm[:-1], way_back(bars, 100, "ddim"), strict=False))


def test_the_posterior_is_the_product_of_its_two_gaussians() -> None:
    """Of a step forward, N(noisy; sqrt(alpha) x, beta), and of all before it, N(x; sqrt(before) clean, 1 - before)."""
    for before, now in pairwise(alpha_bars("cosine", 50).tolist()):
        alpha, beta = now / before, 1 - now / before
        precision = alpha / beta + 1 / (1 - before)
        expected = (math.sqrt(before) / (1 - before) / precision, math.sqrt(alpha) / beta / precision, precision**-0.5)
        assert posterior(now, before) == pytest.approx(expected, rel=1e-9)
        assert posterior(now, before, "large") == pytest.approx((*expected[:2], math.sqrt(beta)), rel=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_step_of_ddim_keeps_the_share_of_noise_that_the_schedule_says(eta: float) -> None:
    for before, now in pairwise(alpha_bars("log_snr", 30).tolist()):
        clean, noisy, sd = implicit(now, before, eta)
        assert clean + noisy * math.sqrt(now) == pytest.approx(math.sqrt(before), rel=1e-9)
        assert noisy**2 * (1 - now) + sd**2 == pytest.approx(1 - before, rel=1e-9)


def test_the_last_step_is_the_guess() -> None:
    for sampler in ("ddpm", "ddim"):
        last = way_back(alpha_bars("linear", 50), 7, sampler)[-1]
        assert (last.index, last.clean, last.noisy, last.sd) == pytest.approx((0, 1, 0, 0), abs=1e-9)


def test_few_visits_are_spread_over_the_schedule() -> None:
    assert [step.index for step in way_back(alpha_bars("linear", 100), 4, "ddim")] == [99, 66, 33, 0]


def test_a_gaussian_is_sampled_with_its_own_variance() -> None:
    """Each step back from the true mean keeps a Gaussian; many small ones give its variance."""
    blob = Mixture(torch.tensor([[0.5, -0.3]]), 0.6)
    steps = way_back(alpha_bars("log_snr", 400), 400, "ddpm")
    noise = torch.randn(20_000, 2, dtype=torch.float64)
    found = denoise(lambda x, s: blob.guess(x, s.signal, s.spread), noise, steps, torch.Generator().manual_seed(0))
    assert found.mean(0).tolist() == pytest.approx([0.5, -0.3], abs=0.02)
    assert found.std(0).tolist() == pytest.approx([0.6, 0.6], abs=0.02)


# --- perfect networks ----------------------------------------------------------------------------------------

WITH_THE_EXACT_SCORE = [
    ("log_snr", 100, 0.93, 0.98), ("cosine", 100, 0.45, 0.62), ("cosine", 1000, 0.83, 0.93),
    ("linear", 100, 0.42, 0.60), ("linear", 1000, 0.75, 0.86),
]  # fmt: skip
"""Of 2,500 samples of ring8; true ones overlap by about 97 %. Seen: 96, 53, 87, 51 and 78 %."""


def exact_overlap(schedule: str, steps: int, **options: Any) -> float:
    """How far samples of a DDPM that knows the ring overlap with it."""
    ddpm = perfect_ddpm(ring(), schedule=schedule, steps=steps, **options)
    return TASKS["ring8"].load(DATA).judge(Seen(ddpm), "test")["overlap"]


@pytest.mark.parametrize(("schedule", "steps", "low", "high"), WITH_THE_EXACT_SCORE)
def test_with_the_exact_score_the_schedule_is_what_matters(schedule: str, steps: int, low: float, high: float) -> None:
    assert low < exact_overlap(schedule, steps) < high


def test_both_targets_and_samplers_reach_the_oracle() -> None:
    for options in ({"predict": "eps"}, {"sampler": "ddim", "eta": 1.0}):
        assert exact_overlap("log_snr", 100, **options) > 0.93


def test_one_point_is_sampled_exactly() -> None:
    """The perfect network of a data set of one point, through scaling and back, for every kind of step."""
    place = torch.tensor([3.0, -7.0])
    for options in ({}, {"predict": "eps"}, {"sampler": "ddim", "sample_steps": 5}, {"variance": "large"}):
        knowing = Knowing(Mixture(torch.zeros(1, 2), 0.0))
        ddpm = DDPM(knowing, shape=(2,), steps=20, **options)
        knowing.owner.append(ddpm)
        assert ddpm.unit is not None
        ddpm.unit.mean.copy_(place)
        found = ddpm.sample(4, torch.Generator().manual_seed(0))
        assert float((found - place).abs().max()) < 1e-4


@pytest.mark.parametrize("predict", ["eps", "v"])
def test_saying_nothing_costs_1_per_dimension(predict: str) -> None:
    """The noise has variance 1, and so has v where the data have it."""
    ddpm = DDPM(Silent(), shape=(2,), predict=predict)
    batch = batch_of(POINTS, 20_000)
    assert float(ddpm.train_step(batch, Loss())) == pytest.approx(1, abs=4 * math.sqrt(2 / 40_000))


def test_noise_and_v_are_two_words_for_one_thing() -> None:
    clean = torch.randn(200, 2)
    found = {}
    for predict in ("eps", "v"):
        ddpm = DDPM(Silent(), shape=(2,), predict=predict, steps=50)
        torch.manual_seed(7)
        noisy, times, wanted = ddpm.spoil(clean)
        index = (times / ddpm.time_of_step).round().long()
        steps = {step.index: step for step in ddpm.way_back}
        for row in range(200):
            back = ddpm.clean_of(noisy[row], wanted[row], steps[int(index[row])])
            assert float((back - clean[row]).abs().max()) < 2e-3  # the noisiest step divides by a signal of 1/55
        found[predict] = (noisy, wanted, ddpm.signal[index, None], ddpm.spread[index, None])
    (noisy, eps, signal, spread), (same, v, _, _) = found["eps"], found["v"]
    assert torch.equal(noisy, same)
    assert torch.allclose(v, signal * eps - spread * clean, atol=1e-6)
    assert torch.allclose(eps, spread * noisy + signal * v, atol=1e-5)


# --- flows ---------------------------------------------------------------------------------------------------


def between_gaussians(place: Tensor, time: float, mean: float = 2.0, sd: float = 0.1) -> Tensor:
    """The mean velocity of straight ways from N(0, 1) to N(mean, sd^2) that are independent at both ends."""
    variance = (1 - time) ** 2 + (time * sd) ** 2
    return mean + (time * sd**2 - (1 - time)) / variance * (place - time * mean)


@pytest.mark.parametrize(("heun", "order"), [(True, 2), (False, 1)])
def test_the_flow_between_two_gaussians_ends_where_it_must(heun: bool, order: int) -> None:
    """A point that starts at z ends at mean + sd * z; the error falls as the method's order says."""
    start = torch.linspace(-3, 3, 13, dtype=torch.float64)
    errors = [
        float((integrate(between_gaussians, start, steps, heun=heun) - (2 + 0.1 * start)).abs().max())
        for steps in (400, 800, 1600)
    ]
    assert errors[-1] < (1e-3 if heun else 2e-2)
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.25)


def test_a_straight_flow_needs_one_step_of_euler() -> None:
    start = torch.randn(5, dtype=torch.float64)
    assert torch.equal(integrate(lambda place, time: torch.full_like(place, 3.0), start, 1, heun=False), start + 3)


# --- bounds --------------------------------------------------------------------------------------------------


def linear_vae(features: int = 3, latent: int = 2) -> VAE:
    """One whose decoder and encoder are linear maps with a fixed variance."""
    vae = VAE(shape=(features,), latent=latent, width=4)
    vae.decoder, vae.encoder = Linear(latent, features), Linear(features, 2 * latent)
    return vae.eval()


class Linear(nn.Linear):
    """A network that knows no classes."""

    def forward(self, vectors: Tensor, classes: Tensor | None = None) -> Tensor:
        return super().forward(vectors)


def exact_density(vae: VAE, examples: Tensor) -> Tensor:
    """Of a linear decoder: x ~ N(bias, W W^T + variance)."""
    weight = vae.decoder.weight
    covariance = weight @ weight.T + vae.log_variance.exp() * torch.eye(len(weight))
    return MultivariateNormal(vae.decoder.bias, covariance).log_prob(examples)


@torch.no_grad()
def test_the_bound_is_never_above_the_exact_likelihood() -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        vae = linear_vae()
        vae.log_variance.fill_(-1.0)
        examples = 2 * torch.randn(100, 3)
        exact, bound = exact_density(vae, examples), vae.log_density(examples)
        assert bool((bound < exact).all())
        mean, log_variance = vae.encode(examples)
        # the gap is the divergence of the encoder's Gaussian from the true posterior
        weight, variance = vae.decoder.weight, vae.log_variance.exp()
        covariance = torch.linalg.inv(torch.eye(2) + weight.T @ weight / variance)
        center = (examples - vae.decoder.bias) @ weight @ covariance / variance
        own = MultivariateNormal(mean, torch.diag_embed(log_variance.exp()))
        gap = kl_divergence(own, MultivariateNormal(center, covariance.expand(100, 2, 2)))
        assert float((exact - gap - bound).abs().mean()) < 0.15 * float(gap.mean())  # 64 draws


@torch.no_grad()
def test_the_bound_is_the_likelihood_where_the_encoder_is_right() -> None:
    vae = linear_vae(features=3, latent=1)
    weight = vae.decoder.weight.copy_(torch.tensor([[1.0], [-2.0], [0.5]]))
    vae.decoder.bias.copy_(torch.tensor([0.3, 0.0, -1.0]))
    variance = vae.log_variance.fill_(math.log(0.2)).exp()
    precision = 1 + float(weight.square().sum() / variance)
    vae.encoder.weight.zero_()
    vae.encoder.weight[0] = weight[:, 0] / variance / precision
    vae.encoder.bias[0] = -vae.encoder.weight[0] @ vae.decoder.bias
    vae.encoder.bias[1] = -math.log(precision)
    assert vae.unit is not None
    vae.unit.mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    vae.unit.sd.copy_(torch.tensor([0.5, 2.0, 4.0]))
    examples = torch.randn(50, 3) * vae.unit.sd + vae.unit.mean
    exact = exact_density(vae, vae.unit(examples)) - vae.unit.sd.log().sum()
    assert torch.allclose(vae.log_density(examples), exact, atol=1e-4)


def test_divergence_is_torch_s() -> None:
    mean, log_variance = torch.randn(9, 5), torch.randn(9, 5)
    own = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros(5), torch.ones(5)), 1)
    assert torch.allclose(divergence(mean, log_variance), kl_divergence(own, prior), atol=1e-5)


@torch.no_grad()
def test_the_loss_is_the_negative_bound_and_beta_counts_the_divergence() -> None:
    vae = linear_vae()
    examples = torch.randn(4, 3)
    noise = torch.randn(20_000, 1, 2)
    many = torch.stack([vae.negative_bound(examples, n.expand(4, 2)) for n in noise[:2000]]).mean()
    mean, log_variance = vae.encode(examples)
    assert float(many) == pytest.approx(-float(vae.log_density(examples).mean()), abs=0.35)
    once = vae.negative_bound(examples, noise[0].expand(4, 2))
    vae.beta = 3.0
    more = vae.negative_bound(examples, noise[0].expand(4, 2))
    assert float(more - once) == pytest.approx(2 * float(divergence(mean, log_variance).mean()), rel=1e-4)
    assert SPECS["vae"].build(POINTS, beta=3.0).beta == 3.0
