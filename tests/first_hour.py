"""The first hour of three users, by README and docs alone: in an empty directory, with an installed wheel.

    python tests/first_hour.py               # all of it, each command in a fresh Python
    python tests/first_hour.py --reduced     # what the tests run: fewer images, no experiment, one Python that forks

A student of semantic communication, an engineer of NTN links and one of learning each follow the README's own texts:
its scenario, its commands, its Python. Every step says how long it took; the first that fails ends the hour.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fork_server import forked
from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLACE = ["--lat", "44.8", "--lon", "10.3"]


def block(first_words: str) -> str:
    """Return the fenced block of the README that holds *first_words*."""
    blocks = re.findall(r"```\w*\n(.*?)```", README, flags=re.DOTALL)
    return next(text for text in blocks if first_words in text)


class Newcomer:
    """Somebody in an empty directory, whose Python finds the wheel and nothing of the repository."""

    def __init__(self, home: Path, site: Path, forks: bool) -> None:
        """forks: let one Python fork for every command, instead of a fresh one for each."""
        self.home, self._site, self._forks = home, site, forks
        home.mkdir()

    def python(self, program: str, expect: int = 0, shows: str = "") -> str:
        """Run *program*; it must end with *expect* and show the words *shows*."""
        return self._do(["-c", program], program.strip()[:60], expect, shows)

    def types(self, line: str, *more: str, expect: int = 0, shows: str = "") -> str:
        """Type an ``ntnsim`` command; *more* are arguments that may hold blanks."""
        words = [*line.split(), *more]
        return self._do(["-m", "ntnsim", *words], "ntnsim " + " ".join(words), expect, shows)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run Python with *command*: a program behind -c, or ntnsim's module and its arguments."""
        own = {"NTNSIM_STORE": str(self.home / "store")}
        if self._forks:
            kind, text, *words = command
            program = text if kind == "-c" else None
            return forked(*words, cwd=self.home, site=self._site, environment=own, program=program)
        environment = {**os.environ, "PYTHONPATH": str(self._site), **own}
        command = [sys.executable, *command]
        return subprocess.run(
            command, cwd=self.home, env=environment, capture_output=True, text=True, check=False
        )

    def _do(self, command: list[str], named: str, expect: int, shows: str) -> str:
        began_s = time.monotonic()
        done = self._run(command)
        print(f"{time.monotonic() - began_s:7.1f} s  {' '.join(named.split())}", flush=True)
        said = done.stdout + done.stderr
        if done.returncode != expect or shows not in said:
            raise SystemExit(
                f"{self.home.name}: {named}\nended with {done.returncode}, expected {expect} and {shows!r}:\n{said[-3000:]}"
            )
        if expect == 2 and "Traceback" in said:
            raise SystemExit(f"{self.home.name}: {named}\n{said[-3000:]}")
        return done.stdout

    def has(self, *names: str) -> None:
        """Look whether files are there and hold something."""
        for name in names:
            if not (self.home / name).is_file() or not (self.home / name).stat().st_size:
                raise SystemExit(f"{self.home.name}: {name} is not there, or empty")


def installed_wheel(directory: Path) -> Path:
    """Build the wheel and install it, without its dependencies, where only PYTHONPATH finds it."""
    build = (
        "from hatchling.builders.wheel import WheelBuilder as B; print(list(B(%r).build(directory=%r))[0])"
    )
    made = subprocess.run(
        [sys.executable, "-c", build % (str(ROOT), str(directory))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    site = directory / "site"
    wheel = made.stdout.strip().splitlines()[-1]
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), wheel]
    subprocess.run([sys.executable, *install], check=True)
    return site


def student(user: Newcomer, reduced: bool) -> None:
    """Runs the README's scenario, looks at figures and page, tries the codec on a photograph."""
    user.types("scenarios list", shows="quickstart")
    user.types("scenarios copy quickstart")
    user.types("validate quickstart.yaml", shows="quickstart.yaml: valid")
    (user.home / "first.yaml").write_text(block("name: first-steps"), encoding="utf-8")
    n_jobs = "2" if reduced else "20"
    user.types(f"run first.yaml --out results/first --set horizon.n_jobs={n_jobs}", shows="savings, mean")
    (user.home / "results/first/notes.txt").write_text("what I saw")
    user.types("run first.yaml --out results/first --set seed=9", expect=2, shows="--resume")
    user.types("table results/first --latex", shows="toprule")
    user.types("columns results/first", shows="savings")
    user.types("plot results/first", shows="delay_cdf.png")
    user.types("report results/first")
    user.has("results/first/report.html", "results/first/figures/delay_cdf.pdf", "results/first/notes.txt")
    Image.fromarray(data.astronaut()[:384]).save(user.home / "photo.jpg", quality=95)
    user.types("encode photo.jpg -o photo.spiff --beta 0.1 --p 0.25 --coarse 0.4")
    user.types("inspect photo.spiff", shows="coarse")
    user.types("decode photo.spiff -o photo.png")
    user.types("decode photo.spiff -o photo.jpg", expect=2, shows="photo.jpg: is there already")
    scores = json.loads(user.types("score photo.jpg photo.png --json"))
    if not 0.5 < scores["pf"] < 1:
        raise SystemExit(f"student: PF is {scores['pf']}")
    if not reduced:
        user.python(block('run = ntnsim.run("first.yaml")'))
        user.types("experiment fig4 --out fig4")
        user.has("fig4/fig4.png", "fig4/fig4.csv")


def link_engineer(user: Newcomer, reduced: bool) -> None:
    """Checks a published budget, lists passes, draws one, exports a trace, mistypes a key."""
    shown = block("ntnsim link --case SC9")
    told = user.types(re.search(r"\$ ntnsim (.*)", shown)[1])
    if told.split() != shown.split("\n", 1)[1].split():
        raise SystemExit(f"link engineer: the README shows another budget than\n{told}")
    user.types("passes --preset leo-600 --hours 2", *PLACE, shows="passes of 160 satellites")
    text = block("name: first-steps")
    (user.home / "first.yaml").write_text(text, encoding="utf-8")
    user.types("passes first.yaml --site parma --hours 6", shows="leo600")
    user.types("link --scenario first.yaml --pass 0 --step 60 --plot pass.png", shows="leo600")
    user.types("trace first.yaml --hours 0.1 --out trace.csv", shows="rows")
    user.has("pass.png", "trace.csv")
    mistake = re.search(r"`(first\.yaml:\d+: .*?)`", README)[1]
    (user.home / "first.yaml").write_text(text.replace("rate_per_s: 0.1", "rate_per_s: -1"), encoding="utf-8")
    user.types("validate first.yaml", expect=2, shows=mistake)
    if not reduced:
        user.types("scenarios copy rain_fade")
        user.types("run rain_fade.yaml --out rain")
        user.types("report rain")


WORLD = """
import ntnsim
scenario = ntnsim.Scenario(
    name="learn", horizon={"n_jobs": 12}, gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    sources=[{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
    datasets={"few": {"kind": "samples", "count": 4, "width_px": 96, "height_px": 64}},
    schemes=[{"name": "s", "codec": {"kind": "spiff", "inpaint": {"method": "nearest"}},
              "policy": {"kind": "custom", "name": "thrifty"}}])
"""


def learner(user: Newcomer, reduced: bool) -> None:
    """Brings a policy of one's own, steps the environment, trains an engine, sweeps the load."""
    own = block("class Thrifty")
    user.python(WORLD + own + "print(sorted(set(run.records['x_coarse_quality'])))", shows="0.4]")
    user.python(
        WORLD + "import importlib.util as u\n"
        "if u.find_spec('gymnasium'):\n"
        "    env = ntnsim.ImageDeliveryEnv(scenario)\n"
        "    env.reset(seed=1)\n"
        "    print('reward', env.step(env.action_space.sample())[1])\n"
        "else:\n    print('reward: needs the extra rl')",
        shows="reward",
    )
    (user.home / "load.yaml").write_text(
        block("name: first-steps").split("schemes:")[0]
        + "schemes: [{name: sizes, codec: {kind: sizes, size_bits: 8.0e+5}}]\n"
        + "sweep: {design: [{kind: grid, parameters: {background: [0.2, 0.8]}}], replications: 2}\n",
        encoding="utf-8",
    )
    user.types("sweep load.yaml --out load --jobs 1", shows="background = 0.8")
    user.types("plot load")
    user.types("experiment table4 --help", shows="--seeds")
    if not reduced:
        user.types("scenarios copy load_sweep")
        user.types("train load_sweep.yaml --out learned --set horizon.n_jobs=20", shows="checkpoint:")
        user.types("plot learned --figure learning")


def main(arguments: list[str]) -> None:
    """Build, install, and let each of the three have the hour."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="fewer images, no experiment, forks")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        site = installed_wheel(Path(directory))
        for role in (student, link_engineer, learner):
            user = Newcomer(Path(directory) / role.__name__, site, forks=given.reduced)
            user.python("import ntnsim; print(ntnsim.__file__)", shows=str(site))
            role(user, given.reduced)


if __name__ == "__main__":
    main(sys.argv[1:])
