"""The tiny inpainter: a UNet2DConditionModel that predicts, in latents, the residual from the fill to the picture.

Its contract stands in ``restorer.py``. VAE and text encoder stay frozen (but see ``--train-decoder``).

One step makes the picture, and what it must have is asked of it directly: closeness (absolute error, distances of
VGG16's features, ``vgg.py``, and of two EfficientNets', ``lite.py``), the right amount of texture in every place
(``texture.py``) and, from some time on, that discriminators cannot tell it from a photograph (``adversary.py``). The
noise is as strong as the texture that the stream says was lost: it is what new texture is made of, and where nothing
was lost there is none.

None of the networks that ntnsim scores pictures with takes part; lite1 and lite2 are siblings of one of them.
``--device cuda`` trains in minutes what a CPU does in days; the recipe is the same.
"""

import argparse
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from training import text
from training.adversary import Adversary, Balance, judges_loss, makers_loss
from training.checks import Eyes, checked, judged, sheet
from training.examples import Crops, Example, mean_unsent, white_noise
from training.lite import View, judged_channels
from training.loop import Progress, recipe_arguments
from training.prepare import load_prepared
from training.restorer import CHANNELS, Restorer, new_unet
from training.texture import texture_loss
from training.vgg import JUDGED_CHANNELS, feature_distance

FEATURE_WEIGHT, LITE_WEIGHT, TEXTURE_WEIGHT, ADVERSARY_SHARE = 0.3, 0.4, 0.25, 0.5
WARM_STEPS = 200
COOLED_FROM = 0.6  # share of the time after which the rate falls, to 0.03 of itself
OPPOSED_RATE = 0.4  # of the rate, once the judges count
DECODER_RATE = 0.1  # of the rate, for a decoder that is trained along


@dataclass(frozen=True)
class Recipe:
    """What one training does otherwise than another; the defaults are the shipped network's.

    adversary_from: share of the time after which judges count; None: never. decoder: the VAE's decoder learns too.
    """

    rate: float = 6e-4
    adversary_from: float | None = 0.28
    decoder: bool = False

    def opposes(self, fraction: float) -> bool:
        """Whether the judges count after this share of the time."""
        return self.adversary_from is not None and fraction >= self.adversary_from

    def teaches_judges(self, fraction: float) -> bool:
        """Whether the judges learn: a little before they count."""
        return self.adversary_from is not None and fraction >= 0.7 * self.adversary_from

    def rate_at(self, step: int, fraction: float) -> float:
        """Return the learning rate: warmed up, cooled down, lower against the judges."""
        warm = min(1.0, (step + 1) / WARM_STEPS)
        cooled = 1.0 if fraction < COOLED_FROM else max(0.03, (1 - fraction) / (1 - COOLED_FROM))
        return self.rate * warm * cooled * (OPPOSED_RATE if self.opposes(fraction) else 1.0)


@dataclass(frozen=True)
class Parts:
    """What a training begins with, on its device: the network, the VAE, and the empty prompt's state."""

    unet: UNet2DConditionModel
    vae: AutoencoderTiny
    state: Tensor


class Training:
    """The network, its running average, the judges, and what each of them learns with."""

    def __init__(self, recipe: Recipe, parts: Parts, device: str, seed: int, *, compiled: bool) -> None:
        self._recipe, self._device, self._parts = recipe, device, parts
        self.average = Parts(
            deepcopy(parts.unet).requires_grad_(False), deepcopy(parts.vae).requires_grad_(False), parts.state
        )
        parts.vae.decoder.requires_grad_(recipe.decoder)
        self.eyes = Eyes(device)
        self._adversary = Adversary((*JUDGED_CHANNELS, *judged_channels())).to(device)
        self._balance = Balance(ADVERSARY_SHARE)
        self._views = torch.Generator().manual_seed(seed)
        groups = [{"params": list(parts.unet.parameters()), "share": 1.0}]
        if recipe.decoder:
            groups.append({"params": list(parts.vae.decoder.parameters()), "share": DECODER_RATE})
        self._learned = [parameter for group in groups for parameter in group["params"]]  # type: ignore[attr-defined]
        self._averaged = list(self.average.unet.parameters())
        if recipe.decoder:
            self._averaged += self.average.vae.decoder.parameters()
        fused = {"fused": True} if device == "cuda" else {}
        self._optimizer = torch.optim.AdamW(
            groups, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=1e-3, **fused
        )
        self._judges_optimizer = torch.optim.AdamW(
            self._adversary.parameters(), lr=2e-4, betas=(0.0, 0.99), **fused
        )
        seen = parts.unet
        if compiled:
            torch._functorch.config.donated_buffer = False  # gradients are asked for twice (``Balance``)
            seen = torch.compile(parts.unet)
        self._restorer = Restorer(seen, parts.vae, parts.state)
        self.figures: dict[str, float] = {}

    @property
    def best(self) -> Restorer:
        """The running average, which is what is kept."""
        return Restorer(self.average.unet.eval(), self.average.vae, self.average.state)

    def states(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Return all that a checkpoint holds."""
        return {
            "unet": self._parts.unet,
            "average": self.average.unet,
            "adversary": self._adversary,
            "optimizer": self._optimizer,
            "judges_optimizer": self._judges_optimizer,
        } | ({"vae": self._parts.vae, "average_vae": self.average.vae} if self._recipe.decoder else {})

    def resume(self, saved: dict[str, dict[str, Tensor]], seed: int) -> None:
        """Go on from a checkpoint's states, with views of another *seed*."""
        for name, part in self.states().items():
            part.load_state_dict(saved[name])
        self._views.manual_seed(seed)

    def half_precision(self) -> torch.autocast:
        """Return the context in which a GPU computes."""
        return torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._device.startswith("cuda"))

    def learn(self, example: Example, noise: Tensor, step: int, fraction: float) -> None:
        """Take one step of the network and, where they learn, of the judges; ``figures`` says how it went."""
        opposed = self._recipe.opposes(fraction)
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.rate_at(step, fraction) * group["share"]
        with self.half_precision():
            picture = self._restorer.picture(example, noise)
            view = View.drawn(self._views)
            maps = self.eyes.maps(picture, view)
            with torch.no_grad():
                truth = self.eyes.maps(example.original, view)
            distance = mean_unsent((picture - example.original).abs(), example.unknown)
            for weight, ours, wanted in zip((FEATURE_WEIGHT, LITE_WEIGHT), maps, truth, strict=True):
                distance = distance + weight * feature_distance(ours, wanted)
            distance = distance + TEXTURE_WEIGHT * texture_loss(picture, example.original)
            loss = kept_loss = (example.weight * distance).mean()
            if opposed:
                self._adversary.requires_grad_(False)
                told = makers_loss(self._adversary(picture, example.fill, judged(maps)))
                loss = loss + self._balance.weight(kept_loss, told, self._parts.unet.conv_out.weight) * told
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._learned, 1.0)
        self._optimizer.step()
        self.figures = {"train": kept_loss.item()}
        if self._recipe.teaches_judges(fraction):
            made = [values.detach() for values in judged(maps)]
            judging = self._teach_judges(example, picture.detach(), judged(truth), made)
            if opposed:
                self.figures |= {"judging": judging, "balance": self._balance.current}
        decay = min(0.999, (step + 2) / (step + 11))
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, self._learned, 1 - decay)

    def _teach_judges(
        self, example: Example, picture: Tensor, real_maps: list[Tensor], made_maps: list[Tensor]
    ) -> float:
        self._adversary.requires_grad_(True)
        with self.half_precision():
            judging = judges_loss(
                self._adversary(example.original, example.fill, real_maps),
                self._adversary(picture, example.fill, made_maps),
            )
        self._judges_optimizer.zero_grad(set_to_none=True)
        judging.backward()
        self._judges_optimizer.step()
        return judging.item()


def inpainter_arguments() -> argparse.ArgumentParser:
    """Return what the command takes."""
    parser = recipe_arguments(__doc__ or "", minutes=600, batch=64, seed=31, reads_photographs=False)
    parser.add_argument("--vae", type=Path, help="trained VAE (default WORK/vae)")
    parser.add_argument("--text", type=Path, help="tokenizer and text_encoder (default WORK/inpaint_parts)")
    parser.add_argument("--name", default="inpainter", help="name of checkpoint and curve")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--start", type=Path, help="safetensors of a UNet to start from, instead of noise")
    parser.add_argument("--rate", type=float, default=6e-4, help="peak learning rate of the network")
    parser.add_argument(
        "--adversary-from", type=float, default=0.28, help="share of the time after which judges count"
    )
    parser.add_argument("--without-adversary", action="store_true", help="judges never count")
    parser.add_argument("--without-noise", action="store_true", help="no noise to make texture of")
    parser.add_argument("--channels", type=int, nargs="+", default=CHANNELS, help="of the network, per level")
    parser.add_argument("--train-decoder", action="store_true", help="the VAE's decoder learns too")
    parser.add_argument("--compile", action="store_true", help="compile the network (pays on a GPU)")
    parser.add_argument("--report", type=int, default=250, help="steps between two rows of the curve")
    return parser


def parts_of(arguments: argparse.Namespace) -> Parts:
    """Return the network, untrained or from ``--start``, and what it was trained beside, on the device."""
    device = arguments.device
    vae = AutoencoderTiny.from_pretrained(arguments.vae or arguments.work / "vae", local_files_only=True)
    vae = vae.to(device, torch.float32, memory_format=torch.channels_last).eval().requires_grad_(False)
    texts = arguments.text or arguments.work / text.DIRECTORY
    tokenizer = CLIPTokenizer.from_pretrained(texts / "tokenizer", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(texts / "text_encoder", local_files_only=True).float()
    unet = new_unet(tuple(arguments.channels))
    if arguments.start:
        unet.load_state_dict({name: value.float() for name, value in load_file(arguments.start).items()})
    unet = unet.to(device, memory_format=torch.channels_last)
    return Parts(unet, vae, text.embed([""], tokenizer, encoder).to(device))


def main() -> None:
    arguments = inpainter_arguments().parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    progress = Progress(arguments.name, arguments.work, arguments.minutes)
    crops = Crops(
        load_prepared(arguments.work), arguments.device, arguments.seed, silent=arguments.without_noise
    )
    adversary_from = None if arguments.without_adversary else arguments.adversary_from
    recipe = Recipe(arguments.rate, adversary_from, arguments.train_decoder)
    training = Training(
        recipe, parts_of(arguments), arguments.device, arguments.seed, compiled=arguments.compile
    )
    if arguments.resume:
        saved, seed = progress.resume(), arguments.seed + progress.step
        training.resume(saved, seed)
        crops.generator.manual_seed(seed)
    while True:
        fraction = progress.fraction
        example = crops.batch(arguments.batch)
        training.learn(example, white_noise(example, crops.generator), progress.step, fraction)
        progress.step += 1
        if progress.step % arguments.report == 0 or progress.step == 1 or fraction >= 1.0:
            with training.half_precision():
                values = checked(training.best, crops, training.eyes, arguments.batch, 99)
            progress.log(**training.figures, **values)
            progress.save(**{name: part.state_dict() for name, part in training.states().items()})
        if fraction >= 1.0:
            break
    training.average.unet.save_pretrained(arguments.work / arguments.name)
    if arguments.train_decoder:
        training.average.vae.save_pretrained(arguments.work / f"{arguments.name}_vae")
    sheet(training.best, crops, arguments.work / f"{arguments.name}.png", 7)


if __name__ == "__main__":
    main()
