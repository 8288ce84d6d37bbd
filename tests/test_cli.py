import importlib
import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.circuit.config import TileConfig
from rram_jax.cli import COMMANDS, main, read_arguments
from rram_jax.commands import doctor
from rram_jax.commands.config import EvaluateCommand, TrainCommand
from rram_jax.errors import InputError, NgspiceError
from tests.helpers import is_one_sentence

HEAVY = {"jax", "flax", "numpy", "scipy", "PySpice", "matplotlib", "pydantic", "orbax"}
"""What no help text waits for."""


def run(*argv):
    """Run the program as a user does."""
    code = "from rram_jax.cli import main; raise SystemExit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=120
    )


def refused(capsys, *argv) -> str:
    """Return the sentence on stderr."""
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rram-jax: ")
    assert is_one_sentence(ValueError(err.removeprefix("rram-jax: ").rstrip("\n")))
    return err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_function_of_its_record(name):
    function = getattr(importlib.import_module(f"rram_jax.commands.{name}"), name)
    (config,) = inspect.signature(function).parameters.values()
    assert config.annotation is COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert (COMMANDS[name].__doc__ or "").splitlines()[0] in " ".join(out.split())
    assert "--config FILE" in out


def test_the_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == out
    for name, record in COMMANDS.items():
        (line,) = [x for x in out.splitlines() if x.split()[:1] == [name]]
        assert line.endswith((record.__doc__ or "").splitlines()[0])


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["train", "-z"]])
def test_help_and_typing_errors_do_not_wait_for_jax(argv):
    code = (
        "import sys; from rram_jax.cli import main; main(sys.argv[1:]);"
        f"sys.exit(', '.join({HEAVY} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code, *argv], check=True)


def test_options_as_users_type_them():
    text = (
        "--network mlp-144-64-10 --columns-per-output 3 --data mnist --data-dir d"
        " --sigma-lrs 0.3 --epochs 41 --augment --seed 5 --out runs/x"
    )
    assert read_arguments("train", text.split()) == TrainCommand(
        network=NetworkConfig(sizes=(144, 64, 10), columns_per_output=3),
        data="mnist",
        data_dir=Path("d"),
        sigma_lrs=0.3,
        epochs=41,
        augment=True,
        seed=5,
        out=Path("runs/x"),
    )
    text = (
        "ck --data mnist --device card.toml --sigma-lrs 0 0.1 0.2 --chips 9"
        " --circuit full --images 8 --json f.json --v-read 0.15 --tile.rows 32"
    )
    assert read_arguments("evaluate", text.split()) == EvaluateCommand(
        checkpoint=Path("ck"),
        data="mnist",
        device="card.toml",
        sigma_lrs=(0.0, 0.1, 0.2),
        chips=9,
        circuit="full",
        images=8,
        json=Path("f.json"),
        design=CircuitConfig(v_read=0.15, tile=TileConfig(rows=32)),
    )


def test_without_options_a_record_has_its_defaults():
    assert read_arguments("train", []) == TrainCommand()
    command = EvaluateCommand(checkpoint=Path("ck"))
    assert read_arguments("evaluate", ["ck"]) == command
    assert (command.device, command.circuit) == ("bench-r10", "map")


TOML = """
data = "mnist"
sigma_lrs = 0.25
augment = true
network = { sizes = [400, 32, 10], n_bias = 2 }
"""


def test_options_override_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(TOML)
    network = NetworkConfig(sizes=(400, 32, 10), n_bias=2)
    whole = TrainCommand(data="mnist", sigma_lrs=0.25, augment=True, network=network)
    assert read_arguments("train", ["--config", str(file)]) == whole
    other = f"--no-augment --config={file} --n-bias 1 --sigma-lrs 0.5".split()
    assert read_arguments("train", other) == TrainCommand(
        data="mnist",
        sigma_lrs=0.5,
        augment=False,
        network=NetworkConfig(sizes=(400, 32, 10), n_bias=1),
    )


def test_what_must_be_given_stands_in_the_file_or_among_the_options(tmp_path, capsys):
    file = tmp_path / "run.toml"
    file.write_text("chips = 3\nsigma_lrs = [0.0, 0.5]\n[design.tile]\ncols = 8\n")
    whole = EvaluateCommand(
        checkpoint=Path("ck"),
        chips=3,
        sigma_lrs=(0.0, 0.5),
        design=CircuitConfig(tile=TileConfig(cols=8)),
    )
    assert read_arguments("evaluate", ["--config", str(file), "ck"]) == whole
    assert main(["evaluate", "--config", str(file)]) == 2
    assert "PATH" in capsys.readouterr().err
    file.write_text('checkpoint = "ck"\n' + file.read_text())
    assert read_arguments("evaluate", ["--config", str(file)]) == whole
    others = ["--config", str(file), "there", "--sigma-lrs", "0.1"]
    changed = read_arguments("evaluate", others)
    assert (changed.checkpoint, changed.sigma_lrs) == (Path("there"), (0.1,))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epohcs = 3", "epohcs: there is no such key"),
        ("epochs = 5.5", "epochs: "),
        ("epochs = true", "epochs: "),
        ('epochs = "5"', "epochs: "),
        ("epochs = ", "is not valid TOML"),
        ("sigma_lrs = -0.1", "got -0.1"),
        ("[network]\nsizes = [3]", "sizes like 144-64-10"),
        (f"[network]\nsizes = [{10**12}, 64, 10]", "layer 0 of"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, capsys, text, told):
    file = tmp_path / "run.toml"
    file.write_text(text)
    said = refused(capsys, "train", "--config", str(file))
    assert told in said
    assert str(file) in said


@pytest.mark.parametrize("character", ["\\u0000", "\\n", "\\u007f"])
def test_a_path_with_a_control_character_is_told(tmp_path, capsys, character):
    file = tmp_path / "run.toml"
    file.write_text(f'out = "a{character}b"')
    told = refused(capsys, "train", "--config", str(file))
    assert "out must be a path without control characters" in told


def test_a_missing_file_is_told(capsys):
    told = refused(capsys, "train", "--config", "/x.toml")
    assert "no configuration '/x.toml'" in told


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("train --sigma-lrs -0.1", "between 0 and 2; got -0.1"),
        ("train --epochs 0", "1 to 10000 epochs, a batch of 1 or more"),
        ("train --epochs 1000000000000", "1 to 10000 epochs"),
        ("train --seed -1", "A seed lies between 0 and 4294967295; got -1."),
        ("train --seed 4294967296", "A seed lies between"),
        ("evaluate ck --seed 4294967296", "A seed lies between"),
        ("export ck --seed -1", "A seed lies between"),
        ("verify ck --seed 4294967296", "A seed lies between"),
        ("train --columns-per-output 1000000000", "100000000 cells"),
        (
            "train --columns-per-output 0",
            "columns_per_output and redundancy must be 1 or more",
        ),
        ("evaluate ck --sigma-lrs 0.1 -0.2", "got -0.2"),
        ("evaluate ck --chips 0", "--chips and --images of 1 or more; got 0 chips"),
        ("evaluate ck --v-read 3", "v_read must lie between"),
        ("device show", "`device show` needs a card"),
        ("device list bench-r10", "`device list` takes no name"),
    ],
)
def test_values_that_a_record_refuses(capsys, argv, told):
    assert told in refused(capsys, *argv.split())


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("train --epochs 5.5", "--epochs"),
        ("train --sigma 0.3", "--sigma-lrs"),
        ("train --network mlp", "such as mlp-144-64-10; got 'mlp'."),
        ("evaluate", "PATH"),
        ("evaluate ck --circuit exact", "'map'"),
        ("evaluate ck --tile.rows 3", "even number of rows"),
        ("learn", "'train'"),
    ],
)
def test_what_the_parser_refuses(capsys, argv, told):
    assert main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in " ".join(err.split())


class JaxRuntimeError(RuntimeError):
    """Stands for jax's own, which the program knows by its name."""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("No such card."), 2, "No such card."),
        (NgspiceError("It failed in x."), 1, "It failed in x."),
        (KeyboardInterrupt(), 130, "the same command goes on from where it was."),
        (FileNotFoundError(2, "No such file", "/x/y"), 2, "/x/y: No such file."),
        (MemoryError(), 2, "or a smaller batch."),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: 8 GiB"), 2, "or a smaller batch."),
        (OSError(28, "No space left"), 2, "Input or output: No space left."),
    ],
)
def test_what_goes_wrong_is_one_sentence(monkeypatch, capsys, error, code, told):
    def fail(config):
        raise error

    monkeypatch.setattr(doctor, "doctor", fail)
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rram-jax: ")
    assert err.endswith(told + "\n")
    assert err.count("\n") == 1


STOPPED = """
import contextlib, signal
from rram_jax import cli
from rram_jax.commands import doctor

def stopped(config):
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)

doctor.doctor = stopped
raise SystemExit(cli.main(["doctor"]))
"""


def test_sigterm_ends_a_command_with_the_sentence_of_ctrl_c():
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=120
    )
    told = "rram-jax: Interrupted: the same command goes on from where it was.\n"
    assert (done.stdout, done.stderr) == ("", told)
    assert done.returncode == -signal.SIGTERM  # 143 in a shell


def test_a_command_leaves_no_handler_behind(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--help"]) == 0
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        RuntimeError("RESOURCE_EXHAUSTED"),
        JaxRuntimeError("INTERNAL"),
    ],
)
def test_an_error_of_ours_is_not_hidden(monkeypatch, error):
    def fail(config):
        raise error

    monkeypatch.setattr(doctor, "doctor", fail)
    with pytest.raises(type(error)):
        main(["doctor"])


def test_jax_calls_its_errors_so():
    from jax.errors import JaxRuntimeError as Real

    assert Real.__name__ == JaxRuntimeError.__name__
    assert issubclass(Real, RuntimeError)


def test_the_program_exits_with_the_code_and_no_traceback(tmp_path):
    wrong = run("evaluate", str(tmp_path / "none"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith(f"rram-jax: {tmp_path}/none is no checkpoint")
    assert wrong.stderr.count("\n") == 1


def test_a_reader_may_go_early():
    code = "from rram_jax.cli import main; raise SystemExit(main(['device', 'list']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
