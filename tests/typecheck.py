"""The checker that jaxtyping's import hook puts on every function of the package."""

from beartype import BeartypeConf, beartype

# A user may write `1` for a float, as PEP 484 allows; plain beartype refuses it.
checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
