"""`rram-jax export`: decks of a checkpoint, ready for ngspice."""

from pathlib import Path

from rram_jax.commands.config import ExportCommand
from rram_jax.commands.decks import read_request
from rram_jax.commands.terminal import say, say_finished
from rram_jax.ngspice.export import export as export_decks
from rram_jax.run_folder import default_folder, open_run


def export(config: ExportCommand) -> Path:
    """Write the decks; returns their folder.

    Raises:
        InputError: Checkpoint, data and settings do not fit each other, or the folder
            is another run's.
    """
    request = read_request(config)
    out = config.out or default_folder("export", request.name, request.asked)
    with open_run(out, "export", request.asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            manifest, _ = export_decks(request.trials, out)
            sizes = ("n_cells", "n_mosfets", "n_resistors", "t_stop_s")
            run.finish({key: manifest[key] for key in sizes})
        metrics = run.metrics()
    say(
        f"{request.name}: {metrics['n_mosfets']} transistors and"
        f" {metrics['n_resistors']} resistors for {metrics['n_cells']} cells a chip."
    )
    say(f"Decks: {out} (manifest.json, chip_0000/image_00000.cir and so on).")
    return out
