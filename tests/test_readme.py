"""What the README shows runs as it stands."""

import re
from pathlib import Path

import rram_jax as rj

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - our own text
    assert len(example.strip().splitlines()) <= 16
    printed = capsys.readouterr().out
    assert "worst=" in printed
    assert "converged" in printed
    # More spread costs more: the gradient says so, and so does another point.
    assert names["gradient"]["sigma_lrs"] > 0
    worse, _ = names["trained"].loss_and_gradient(sigma_lrs=0.5, chips=4)
    assert worse > names["loss"]
    # The middle column floats between its rows' drives.
    assert abs(names["solution"].voltage).max() < 0.2


def test_every_public_name_is_there():
    stub = (ROOT / "rram_jax" / "__init__.py").read_text()
    declared = set(
        re.findall(r"^    from \S+ import \w+ as (\w+)$", stub, re.MULTILINE)
    )
    assert declared == set(rj.__all__)
    for name in rj.__all__:
        assert callable(getattr(rj, name))
    assert set(dir(rj)) >= declared
