"""Every reference checkpoint loads, and reproduces the accuracy that it states."""

import os
from pathlib import Path

import pytest

import rram_jax as rj
from rram_jax.commands.network import ideal_accuracy
from rram_jax.qnn.checkpoint import load_checkpoint

FOLDERS = sorted(
    path.parent
    for path in Path(__file__).parent.parent.glob("checkpoints/*/config.json")
)


def test_they_are_there():
    names = {folder.name for folder in FOLDERS}
    wanted = {
        f"mlp-{sizes}-10-{kind}"
        for sizes in ("144-64", "400-256")
        for kind in ("conventional", "hardened")
    }
    assert wanted <= names
    table = (FOLDERS[0].parent / "README.md").read_text()
    assert all(f"`{name}`" in table for name in names)


SLOW = {
    folder: [pytest.mark.slow] if "400" in folder.name else [] for folder in FOLDERS
}


@pytest.mark.parametrize(
    "folder",
    [pytest.param(folder, id=folder.name, marks=SLOW[folder]) for folder in FOLDERS],
)
def test_a_checkpoint_reproduces_its_accuracy(folder, request):
    checkpoint = load_checkpoint(folder)
    metrics = checkpoint.metrics
    assert checkpoint.network.sha256 == metrics["network_sha256"]
    if checkpoint.config["data"] != "mnist5k":
        request.getfixturevalue("mnist_dir")  # skips where there is none
    root = os.environ.get("RRAM_JAX_DATA")
    dataset = rj.load_dataset(checkpoint.config["data"], Path(root) if root else None)
    card = rj.load_card(checkpoint.config["device"])
    found = ideal_accuracy(
        checkpoint.network, card, dataset.test_images, dataset.test_labels
    )
    # Another version of jax may round a crossing at a decision to the other side.
    assert found == pytest.approx(metrics["accuracy_ideal"], abs=1e-3)
