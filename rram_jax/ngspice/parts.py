"""A layer alone, whole or one column of its tiles: what a deck of tier `layer` holds.

Tiles side by side have row drivers and outputs of their own, so a column of tiles is a
layer of its own, with the same neurons.
"""

import dataclasses
from dataclasses import dataclass

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.circuit.config import tile_grid

WHOLE = 64
"""[-] Outputs of the largest layer that is one deck; beyond, a column of tiles is."""


@dataclass(frozen=True, kw_only=True)
class LayerPart:
    """Some outputs of a layer, with all that drives them."""

    layer: LayerDesign
    """As a layer of its own."""

    outputs: range
    """[-] Which of the layer's outputs these are."""

    def of_chip(self, sample: LayerSample) -> LayerSample:
        """Cells and neurons of the part, of a chip's whole layer."""
        cols = _columns(self.layer, self.outputs)
        rows = slice(self.outputs.start, self.outputs.stop)
        return dataclasses.replace(
            sample,
            is_lrs=sample.is_lrs[:, cols],
            stuck=sample.stuck[:, cols],
            resistance=sample.resistance[:, cols],
            delvto=sample.delvto[rows],
        )


def layer_parts(layer: LayerDesign) -> list[LayerPart]:
    """The whole layer, or its columns of tiles where it is larger than `WHOLE`."""
    n, c = layer.layer.n_outputs, layer.layer.columns_per_output
    if n <= WHOLE:
        return [LayerPart(layer=layer, outputs=range(n))]
    rows, cols = layer.is_lrs.shape
    runs = tile_grid((rows, cols), c, layer.tile).col_runs
    return [
        _part(layer, q, range(run.start // c, run.stop // c))
        for q, run in enumerate(runs)
    ]


def one_layer(design: NetworkDesign, layer: LayerDesign) -> NetworkDesign:
    """The circuit of that layer alone, for `deck.network_deck`."""
    return dataclasses.replace(design, layers=(layer,))


def _part(layer: LayerDesign, col_tile: int, outputs: range) -> LayerPart:
    cols = _columns(layer, outputs)
    own = slice(outputs.start, outputs.stop)
    wires = layer.attenuation
    part = dataclasses.replace(
        layer,
        layer=dataclasses.replace(layer.layer, weights=layer.layer.weights[:, cols]),
        is_lrs=layer.is_lrs[:, cols],
        attenuation=dataclasses.replace(
            wires,
            slope=wires.slope[:, own],
            offset=wires.offset[:, own],
            r_row=wires.r_row[:, col_tile : col_tile + 1],
        ),
    )
    return LayerPart(layer=part, outputs=outputs)


def _columns(layer: LayerDesign, outputs: range) -> slice:
    c = layer.layer.columns_per_output
    return slice(c * outputs.start, c * outputs.stop)
