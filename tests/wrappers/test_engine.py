"""The container for real, where a Docker engine answers: from no image to a video of the head speaking.

Run by somebody else than root, in a checkout whose folder has spaces, on data that lies outside it. BASE_IMAGE names
another Python or Debian to start from than python:3.11-slim-bookworm; NETWORK, PIP_* and proxies reach the build.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from live.page.home import Home
from live.page.job import HALFWAY, WAITING, Job, Step, read_job

IMAGE = "egstalker-test"
SOMEBODY = 12345  # a user and group that no machine has
SETTINGS = """ModelSettings = dict(initial_gaussians=400, sh_degree=0, plane_levels=2, plane_finest_resolution=32,
    feature_dim=8, heads=2, agents=4)
TrainingSettings = dict(coarse_iterations=20, iterations=300, batch=1, motion_frames=4, validation_frames=2,
    min_gaussians=100, max_gaussians=600, checkpoint_every=20)
"""

pytestmark = pytest.mark.slow


def _docker(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@dataclass
class Container:
    """A checkout of somebody's, and that somebody's shell."""

    root: Path
    data: Path
    user: int
    group: int
    seconds: dict[str, float] = field(default_factory=dict)

    def start(
        self, *command: str, runtime: str = "docker", terminal: int | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a command of the checkout, as somebody."""
        identity: dict[str, object] = {}
        if os.getuid() == 0:
            socket = Path("/var/run/docker.sock")
            groups = [socket.stat().st_gid] if socket.exists() else []
            identity = {"user": self.user, "group": self.group, "extra_groups": groups}
            environment = {"HOME": str(self.data), **environment}
        return subprocess.Popen(
            [str(self.root / command[0]), *command[1:]],
            cwd=self.data,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("EGSTALKER_")},
                "EGSTALKER_IMAGE": IMAGE,
                "EGSTALKER_RUNTIME": runtime,
                "TRAINING_LOG": str(self.data / "training log"),
                **environment,
            },
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )

    def run(self, *command: str, name: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the checkout to its end, and note how long it took."""
        begin = time.monotonic()
        with self.start(*command, **environment) as process:
            try:
                out, _ = process.communicate(timeout=1800)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        if name:
            self.seconds[name] = time.monotonic() - begin
        return subprocess.CompletedProcess(command, process.returncode, out, "")

    def inside(self, program: str, *options: str) -> str:
        """What a Python program prints in the image, without the wrappers."""
        answer = _docker("run", "--rm", *options, IMAGE, "python", "-c", program, timeout=300)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()


def _checkout(repository: Path, root: Path) -> None:
    """A copy of what a clone has, without .venv."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / name, root / name)


@pytest.fixture(scope="module")
def container(repository, request) -> Iterator[Container]:
    if not shutil.which("docker") or _docker("info").returncode:
        pytest.skip("no Docker engine answers")
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    base = os.environ.get("BASE_IMAGE") or "python:3.11-slim-bookworm"
    if _docker("image", "inspect", base).returncode and _docker("pull", base, timeout=600).returncode:
        pytest.skip(f"the base image {base} cannot be had; name another with BASE_IMAGE")
    folder = Path(tempfile.mkdtemp(prefix="egstalker test "))
    folder.chmod(0o755)
    own = os.getuid() == 0
    container = Container(
        folder / "a check out", folder / "some data", *((SOMEBODY, SOMEBODY) if own else (os.getuid(), os.getgid()))
    )
    _checkout(repository, container.root)
    container.data.mkdir()
    (container.data / "settings.py").write_text(SETTINGS)
    if own:
        for path in (container.root, container.data, *container.root.rglob("*"), *container.data.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
    _docker("image", "rm", IMAGE)
    yield container
    _docker("image", "rm", IMAGE)
    shutil.rmtree(folder)
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in container.seconds.items())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f" seconds in the container: {seconds}")


@pytest.fixture(scope="module")
def image(container) -> str:
    built = container.run("build.sh", "--cpu", name="build")
    assert built.returncode == 0, built.stdout[-3000:]
    return IMAGE


@pytest.fixture(scope="module")
def dataset(container, image) -> Path:
    """A sample video's dataset, all nine tasks done in the container."""
    made = container.run("scripts/run.sh", "sample/__main__.py", "a clip.mp4", "--seconds", "3", "--size", "192")
    assert made.returncode == 0, made.stdout
    done = container.run("preprocess.sh", "a clip.mp4", name="nine tasks")
    assert done.returncode == 0, done.stdout
    assert all(f"[{number}/9]" in done.stdout for number in range(1, 10))
    return container.data / "a clip"


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def _health(port: int, host: str = "127.0.0.1") -> Any:
    with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=5) as answer:
        return json.load(answer)


def _other_addresses() -> list[str]:
    """This machine's, beside the loopback's: that by which it would reach another, if it can."""
    with socket.socket(type=socket.SOCK_DGRAM) as place:
        try:
            place.connect(("203.0.113.1", 9))  # sends nothing
        except OSError:
            return []
        return [place.getsockname()[0]]


@contextlib.contextmanager
def _serving(container: Container, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A server, which ends with the context, whatever happens in it."""
    with container.start(*command) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def _until_well(port: int, process: subprocess.Popen[str] | None = None, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            assert _health(port)["ready"]
            return
        assert time.monotonic() < deadline, "it does not answer"
        assert process is None or process.poll() is None, process.stdout.read()
        time.sleep(0.2)


def _no_container_is_left() -> bool:
    return not _docker("ps", "--quiet", "--filter", f"ancestor={IMAGE}").stdout


def _train(*arguments: str) -> tuple[str, ...]:
    return ("train.sh", "-s", "a clip", "--model_path", "models/m", "--configs", "settings.py", *arguments)


@pytest.fixture(scope="module")
def model(container, dataset) -> Path:
    """A model, whose training was stopped by Ctrl-C and gone on with."""
    with container.start(*_train()) as process:
        deadline = time.monotonic() + 600
        while not any((container.data / "models/m/checkpoints").glob("fine-*")):
            assert process.poll() is None and time.monotonic() < deadline, process.stdout.read()
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        assert "run the same command again" in process.stdout.read()
    assert not _docker("ps", "--quiet", "--filter", f"ancestor={IMAGE}").stdout
    stopped = sorted(path.name for path in (container.data / "models/m/checkpoints").iterdir())
    assert stopped[-1] < "fine-00300"
    assert "interrupted" in (container.data / "training log").read_text()
    trained = container.run(*_train(), name="training")
    assert trained.returncode == 0, trained.stdout
    assert (container.data / "models/m/checkpoints/fine-00300/state.json").is_file()
    return container.data / "models/m"


def test_a_second_build_takes_seconds(container, image):
    assert container.run("build.sh", "--cpu", name="second build").returncode == 0
    assert container.seconds["second build"] < 20


def test_the_image_is_small_and_says_what_it_is(container, image):
    answer = _docker("image", "inspect", image, "--format", "{{.Size}} {{.Config.User}} {{json .Config.Labels}}")
    size, user, labels = answer.stdout.split(" ", 2)
    assert int(size) < 2.5e9
    assert user not in ("", "0", "root")
    assert json.loads(labels)["egstalker.device"] == "cpu"


def test_the_history_shows_no_mirror_no_secret_and_no_compiler(container, image):
    history = _docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "HTTPS_PROXY"):
        assert (os.environ.get(name) or "\0") not in history
    program = (
        "import json, pathlib, shutil\n"
        "places = '/root/.cache /var/cache/apt /var/lib/apt/lists /run/secrets /tmp'.split()\n"
        "print(json.dumps([[n for n in 'gcc g++ cc c++ clang nvcc make cmake git'.split() if shutil.which(n)],\n"
        "    [str(file) for place in places for file in pathlib.Path(place).rglob('*') if file.is_file()]]))\n"
    )
    compilers, left = json.loads(container.inside(program, "--user", "0"))
    assert compilers == [] and left == []


def test_it_renders_with_a_read_only_root_as_anybody(container, image):
    program = """if True:
        import torch
        from gaussian_renderer.render import render
        from scene.cameras import Camera
        from scene.gaussians import Gaussians
        quats, viewmat = torch.tensor([[1.0, 0, 0, 0]]), torch.eye(4)[None]
        viewmat[:, 2, 3] = 4
        one = Gaussians(torch.zeros(1, 3), quats, torch.full((1, 3), 0.2), torch.ones(1), torch.ones(1, 1, 3))
        print(float(render(one, Camera.from_focal(viewmat, 40.0, 32, 32)).image.max()) > 0.5)
    """
    options = ("--read-only", "--tmpfs", "/tmp", "--user", "54321:54321", "--volume", f"{container.root}:/code:ro")
    assert container.inside(program, *options, "--env", "PYTHONPATH=/code") == "True"


def test_a_wrapper_adds_less_than_two_seconds(container, image):
    best = float("inf")
    for _ in range(3):
        assert container.run("scripts/run.sh", "arguments/errors.py", name="wrapper").returncode == 0  # does nothing
        best = min(best, container.seconds["wrapper"])
    container.seconds["wrapper"] = best
    assert best < 2


def test_all_nine_tasks_run_and_the_files_belong_to_the_caller(container, dataset):
    folder = json.loads((dataset / "transforms_train.json").read_text())
    assert len(folder["frames"]) == 68  # 10/11 of 75
    made = [path for path in container.data.rglob("*") if path.name not in ("settings.py",)]
    assert len(made) > 300
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(container.user, container.group)}


def test_a_single_task_is_recovered(container, dataset):
    lost = dataset / "ori_imgs/7.lms"
    before = lost.read_text()
    lost.unlink()
    done = container.run("preprocess.sh", str(container.data / "a clip.mp4"), "--task", "7", name="task 7")
    assert done.returncode == 0, done.stdout
    assert "[7/9] landmarks: 75 frames" in done.stdout
    assert lost.read_text() == before


def test_what_is_whole_is_skipped(container, dataset):
    done = container.run("preprocess.sh", "a clip.mp4")
    assert done.returncode == 0 and done.stdout.count(": whole already") == 9


def test_a_stopped_training_goes_on_and_the_head_speaks(container, model):
    import av

    log = (container.data / "training log").read_text()
    assert "fine 300 (320/320)" in log and "the training is done" in log
    said = container.run(
        "predict.sh", "--audio_path", "a clip/aud.wav", "--reference_path", "a clip", "--model_path", "models/m",
        "--output_dir", "new results/", name="prediction",
    )  # fmt: skip
    assert said.returncode == 0, said.stdout
    with av.open(str(container.data / "new results/aud.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 75
        assert video.streams.audio


def test_ctrl_c_on_a_terminal_stops_the_container_too(container, dataset):
    ours, theirs = pty.openpty()
    command = [*_train()]
    command[command.index("models/m")] = "models/stopped"
    log = container.data / "stopped log"
    with container.start(*command, terminal=theirs, TRAINING_LOG=str(log)) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 600
        while b"coarse" not in shown:  # the progress bar's first word
            assert time.monotonic() < deadline and process.poll() is None, shown
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 65536)
        os.write(ours, b"\x03")
        drain = threading.Thread(target=_drain, args=(ours,), daemon=True)
        drain.start()
        assert process.wait(60) == 130
    os.close(ours)
    assert not _docker("ps", "--quiet", "--filter", f"ancestor={IMAGE}").stdout
    assert log.read_text().endswith("interrupted; run the same command again to go on\n")
    assert len(list((container.data / "models/stopped/checkpoints").iterdir())) == 1


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            continue


def test_a_live_head_answers_this_machine_alone_and_ends_with_ctrl_c(container, model):
    client = pytest.importorskip("websockets.sync.client", reason="requirements/live.txt is not installed")
    port = _free_port()
    with _serving(container, "live.sh", "--model_path", "models/m", "--port", str(port)) as process:
        begin = time.monotonic()
        _until_well(port, process)
        container.seconds["live"] = time.monotonic() - begin
        with client.connect(f"ws://127.0.0.1:{port}/ws?media=jpeg") as head:
            assert json.loads(head.recv(10))["type"] == "session"
            sound = base64.b64encode(bytes(48_000)).decode()
            head.send(json.dumps({"type": "speak", "audio": sound, "rate": 24_000}))
            head.send(json.dumps({"type": "speak_end"}))
            pictures, said = 0, []
            while "finished" not in said:
                message = head.recv(10)
                if isinstance(message, bytes):
                    pictures += b"\xff\xd8" in message[:4000]
                else:
                    said.append(json.loads(message)["type"])
            assert said == ["started", "finished"] and pictures > 5
        for address in _other_addresses():
            with pytest.raises(OSError, match="refused"):
                _health(port, address)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    assert _no_container_is_left()


def test_the_page_is_served_and_its_work_ends_with_the_container_and_goes_on(container, image):
    home, port = Home(container.data / "a home"), _free_port()
    home.make()
    command = ("/no/such/python", "-c", "import time; print('at it', flush=True); time.sleep(600)")
    job = Job("head", "anna", (Step("train", command),), folder=home.jobs / "0001")
    job.folder.mkdir()
    job.write()
    for path in (home.root, *home.root.rglob("*")):
        os.chown(path, container.user, container.group)
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C, docker stop
        with _serving(container, "app.sh", "--home", "a home", "--port", str(port)) as process:
            _until_well(port, process)
            deadline = time.monotonic() + 30
            while not job.log.exists() or "at it" not in job.log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            os.killpg(process.pid, number)
            assert process.wait(60) == 0
        assert _no_container_is_left()
        assert read_job(job.folder).now == HALFWAY
        job.log.unlink()
        read_job(job.folder).changed(state=WAITING, runner=None, command=None)  # as the button "Go on" does
        os.chown(job.folder / "job.json", container.user, container.group)


def test_compose_serves_both_with_a_read_only_root(container, model):
    if _docker("compose", "version").returncode:
        pytest.skip("docker has no compose")
    ports = {"EGSTALKER_APP_PORT": _free_port(), "EGSTALKER_LIVE_PORT": _free_port()}
    (container.root / "output").mkdir()
    shutil.copytree(model, container.root / "output/m")
    for path in (container.root / "output", *(container.root / "output").rglob("*")):
        os.chown(path, container.user, container.group)
    environment = {
        **os.environ,
        **{name: str(port) for name, port in ports.items()},
        "EGSTALKER_IMAGE": IMAGE,
        "EGSTALKER_USER": f"{container.user}:{container.group}",
    }

    def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", "compose", "--project-name", IMAGE, "--profile", "cpu", *arguments]
        return subprocess.run(
            command, cwd=container.root, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    try:
        begin = time.monotonic()
        up = compose("up", "--detach", "--wait")
        assert up.returncode == 0, up.stderr + compose("logs").stdout  # both are healthy
        container.seconds["compose"] = time.monotonic() - begin
        assert _health(ports["EGSTALKER_LIVE_PORT"])["ready"] and _health(ports["EGSTALKER_APP_PORT"])["ready"]
        assert compose("exec", "app", "touch", "/egstalker/x", "/x").returncode != 0
        made = (container.root / "output/page").stat()
        assert (made.st_uid, made.st_gid) == (container.user, container.group)
    finally:
        down = compose("down")
    assert down.returncode == 0, down.stderr
    assert _no_container_is_left()


def test_render_and_metrics_run_in_the_container_too(container, model):
    rendered = container.run("scripts/run.sh", "render.py", "-s", "a clip", "--model_path", "models/m", "--skip_train")
    assert rendered.returncode == 0, rendered.stdout
    measured = container.run("scripts/run.sh", "metrics.py", "-s", "a clip", "--model_path", "models/m")
    assert measured.returncode == 0, measured.stdout
    assert json.loads((model / "metrics.json").read_text())["val"]["frames"] == 7


def test_compiled_kernels_are_kept_for_the_next_run(container, model):
    kept = container.root / ".cache/container/.cache/numba"
    assert any(kept.rglob("*.nbc"))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("train.sh", "-s", "nowhere", "--model_path", "models/x"), 1, "error: "),
        (("train.sh", "--what"), 2, "are required"),
        (("preprocess.sh", "settings.py"), 1, "error: "),
        (("download_bfm.sh",), 3, "ACCEPT_BFM_LICENSE"),
    ],
)
def test_exit_codes_pass_and_errors_are_one_line(container, image, command, code, said):
    result = container.run(*command)
    assert result.returncode == code, result.stdout
    assert said in result.stdout and "Traceback" not in result.stdout


def test_models_are_fetched_in_the_container_from_a_mirror_outside(container, image):
    name = "requirements/models.sha256"
    mirror = container.data / "a mirror"
    graph = mirror / "data_utils/audio_features/models/deepspeech/output_graph.pb"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"a graph")
    fetched = container.run("download_models.sh", "deepspeech", MODEL_MIRROR=mirror.as_uri())
    assert fetched.returncode == 0, fetched.stdout
    here = container.root / graph.relative_to(mirror)
    assert here.read_bytes() == b"a graph" and here.stat().st_uid == container.user
    assert (container.root / name).read_text().endswith("output_graph.pb\n")
