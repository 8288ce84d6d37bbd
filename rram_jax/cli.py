"""The command line `rram-jax`: reads what is asked, runs it, says what went wrong."""

import argparse
import dataclasses
import importlib
import importlib.metadata
import inspect
import os
import signal
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.commands.config import (
    CompareCommand,
    DemoCommand,
    EvaluateCommand,
    ExportCommand,
    TeacherCommand,
    TrainCommand,
    VerifyCommand,
    check_paths,
)
from rram_jax.commands.config_doctor import DoctorCommand
from rram_jax.commands.config_parts import ArrayCommand, DeviceCommand, NeuronCommand
from rram_jax.commands.config_report import ReportCommand
from rram_jax.errors import InputError, NgspiceError, NotConvergedError

COMMANDS: dict[str, type] = {
    "demo": DemoCommand,
    "teacher": TeacherCommand,
    "train": TrainCommand,
    "evaluate": EvaluateCommand,
    "compare": CompareCommand,
    "export": ExportCommand,
    "verify": VerifyCommand,
    "report": ReportCommand,
    "device": DeviceCommand,
    "array": ArrayCommand,
    "neuron": NeuronCommand,
    "doctor": DoctorCommand,
}
"""What each command takes; the function of the same name in `rram_jax.commands` runs
it. Only that is imported, and only to run: jax takes seconds."""


INTERRUPTED = "Interrupted: the same command goes on from where it was."
"""What Ctrl-C and SIGTERM are answered with."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; `argv` is what stands after `rram-jax`.

    Returns:
        The exit code: 0, 1 if ngspice failed or a solve did not converge, 2 if the
        input is wrong, 130 if interrupted. Errors are one sentence on stderr. SIGTERM
        ends the process after the same sentence as Ctrl-C: a shell reads 143.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        name, arguments = _choose(sys.argv[1:] if argv is None else argv)
        config = read_arguments(name, arguments)
        command = importlib.import_module(f"rram_jax.commands.{name}")
        getattr(command, name)(config)
        return 0
    except SystemExit as stop:  # help was asked for, or the parsers have complained
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, 130)
    except InputError as error:
        return _fail(str(error), 2)
    except (NgspiceError, NotConvergedError, BrokenProcessPool) as error:
        return _fail(str(error), 1)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return _fail(
            "The memory does not suffice: ask for a smaller network, fewer images or a"
            " smaller batch.",
            2,
        )
    except OSError as error:
        return _fail(f"{error.filename or 'Input or output'}: {error.strerror}.", 2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _) -> None:
    # Not an exception: one that comes up in a callback, as imports have them, is lost,
    # and the command would go on. Workers and ngspice end with this process anyhow.
    os.write(2, f"rram-jax: {INTERRUPTED}\n".encode())
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def read_arguments(name: str, arguments: list[str]) -> Any:
    """Turn a command's arguments into its record.

    `--config` names a TOML file with any of the record's fields; options override it.

    Raises:
        InputError: File or options hold something that the record refuses.
        SystemExit: There is no such option, a value is of another type, or help was
            asked for.
    """
    record = COMMANDS[name]
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    file = first.parse_known_args(arguments)[0].config
    defaults = tyro.MISSING_NONPROP if file is None else _read_defaults(file, record)

    option = tyro.conf.arg(
        metavar="FILE",
        help="TOML file with any of these settings; options override it.",
    )

    def take(
        config: Annotated[Path | None, option] = None,
        settings: Annotated[record, tyro.conf.arg(name="")] = defaults,  # pyright: ignore[reportInvalidTypeForm]  # chosen at run time
    ):
        return settings

    settings = tyro.cli(
        take,
        prog=f"rram-jax {name}",
        description=inspect.cleandoc(record.__doc__ or ""),
        args=arguments,
        registry=_registry(),
    )
    command = record(**vars(settings))
    check_paths(command)
    return command


def _choose(argv: list[str]) -> tuple[str, list[str]]:
    """Split into the command's name and its arguments."""
    about = {
        name: (record.__doc__ or "").splitlines()[0]
        for name, record in COMMANDS.items()
    }
    parser = argparse.ArgumentParser(
        prog="rram-jax",
        usage="rram-jax COMMAND [OPTIONS]",
        description="Train RRAM networks against device variability, and verify them.",
        epilog="\n".join(
            [
                "commands:",
                *(f"  {name:10}  {sentence}" for name, sentence in about.items()),
                "",
                "`rram-jax COMMAND --help` tells a command's options.",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    package = next(iter(importlib.metadata.distributions(name="rram_jax")), None)
    version = package.version if package else "not installed, runs from a folder"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument("COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("OPTIONS", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv or ["--help"])
    return chosen.COMMAND, chosen.OPTIONS


def _read_defaults(file: Path, record: type) -> Any:
    """A record from a TOML file; what the file lacks is left to the options."""
    from rram_jax.toml_file import read_record

    needed = [
        (field.name, field.type, tyro.MISSING)
        for field in dataclasses.fields(record)
        if field.default is field.default_factory is dataclasses.MISSING
    ]
    lenient = dataclasses.make_dataclass(
        record.__name__, needed, bases=(record,), frozen=True, kw_only=True
    )
    return read_record(file, lenient, "configuration")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _NetworkOptions(NetworkConfig):
    """A network as options: `--network mlp-144-64-10` stands for the sizes."""

    sizes: Annotated[
        tuple[int, ...],
        tyro.conf.arg(name="network"),
        PrimitiveConstructorSpec(
            nargs=1,
            metavar="NAME",
            instance_from_str=lambda words: parse_sizes(words[0]),
            is_instance=lambda value: isinstance(value, tuple),
            str_from_instance=lambda sizes: ["mlp-" + "-".join(map(str, sizes))],
        ),
    ] = NetworkConfig.sizes
    """Multi-layer perceptron of so many inputs, hidden neurons and outputs. Inputs are
    the image's middle square, as it is or as means of 2x2 pixels: of 28x28 pixels 144
    are 12x12 means, 400 the middle 20x20, 784 all."""


def _registry() -> ConstructorRegistry:
    registry = ConstructorRegistry()

    @registry.struct_rule
    def network_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type is not NetworkConfig:
            return None
        default = info.default
        if not isinstance(default, NetworkConfig):
            default = NetworkConfig()
        options: Any = Annotated[_NetworkOptions, tyro.conf.arg(name="")]
        field = StructFieldSpec(
            name="options",
            type=options,
            default=_NetworkOptions(**vars(default)),
        )
        return StructConstructorSpec(
            instantiate=lambda options: NetworkConfig(**vars(options)),
            fields=(field,),
        )

    return registry


def _out_of_memory(error: Exception) -> bool:
    # By its name: jax is not imported for this, and says all kinds of things with it.
    return isinstance(error, MemoryError) or (
        type(error).__name__ == "JaxRuntimeError" and "RESOURCE_EXHAUSTED" in str(error)
    )


def _fail(sentence: str, code: int) -> int:
    sys.stderr.write(f"rram-jax: {sentence}\n")
    return code
