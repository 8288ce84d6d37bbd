"""What may be handed to ngspice, and what of its answer is believed.

ngspice returns 0 for a floating node, a division by zero, a misspelt option, a full
disk and a deck without an analysis; here such a run becomes an error. These functions
see text and numbers only, never a process.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.netlist import cards

# ngspice keeps silent about an option that it does not know.
_OPTIONS = frozenset(
    """
    abstol absdv acct autopartial autostop badmos3 bypass chgtol convabsstep convstep
    copynodesets cshunt defad defas defl defm defw epsmin gmin gminfactor gminsteps
    gshunt indverbosity interp itl1 itl2 itl3 itl4 itl5 itl6 keepopinfo klu
    klu_memgrow_factor list lteabstol ltereltol ltetrtol maxevtiter maxopalter maxord
    maxwarns method minbreak newtrunc node nodedamping noinit nomod noopac noopalter
    noopiter nopage nostepsizelimit numdgt oldlimit opts pivrel pivtol probe_alli_nox
    ramptime reldv reltol rseries rshunt savecurrents scale seed seedinfo sparse
    srcsteps temp tnom trtol trytocompact vntol warn wnflag xmu
    """.split()
)
_OPTION_CARD = re.compile(r"\.opt\w*\s([^$]*)", re.IGNORECASE)
_SETTING = re.compile(r"([^\s=]+)(?:\s*=\s*(?:\{[^}]*\}|'[^']*'|\S+))?")

# Both words are matched as prefixes, as ngspice does.
_COMMAND = re.compile(
    r"\.(control|endc|exec|system|shell|source)|\*#|\*ng_script", re.IGNORECASE
)
_FILE = re.compile(r"\.(inc|lib)", re.IGNORECASE)
_SECTION = re.compile(r"\.lib\s+\w+", re.IGNORECASE)  # where one begins
_INCLUDE = re.compile(
    r"\.(?:include|inc|lib)\s+([\"']?)([\w.+-]+)\1(?:\s+\w+)?", re.IGNORECASE
)
# Cards of a library of models; all others would act on the circuit around it.
_LIBRARY = frozenset(
    ".model .param .params .func .if .elseif .else .endif .opt .option .options".split()
)
_AMMETER = re.compile(
    r"v\S*\s+\S+\s+\S+(\s+dc)?(\s*[\s=]\s*[+-]?0*\.?0*(e[+-]?\d+)?v?)?", re.IGNORECASE
)
# Of a library's options those that are about its models; all others are the deck's.
_LIBRARY_OPTIONS = frozenset("maxwarns scale tnom warn".split())
_FUNCTION = re.compile(r"\.(?:func|params?)\s+(\w+)\s*\(", re.IGNORECASE)
_BUILT_IN = frozenset(
    """
    abs acos acosh agauss arctan asin asinh atan atan2 atanh aunif buf ceil cos cosh
    ddt defined eq0 exp floor fmod gauss ge0 gt0 hypot i idt int inv le0 limit ln log
    log10 lt0 max min ne0 nint pow pwl pwr pwrs sgn sin sinh sqr sqrt stp tan tanh
    ternary_fcn u u2 unif uramp v var vec
    """.split()
)

# Completed gmin or source stepping is none of these: whole networks need it.
_NO_CONVERGENCE = re.compile(
    r"timestep too small|no convergence|iteration limit|transient op\b|"
    r"(gmin|source) stepping failed",
    re.IGNORECASE,
)
_FATAL = re.compile(
    rf"^\s*(mif-)?error(:|,| on | in | - | \()|^\s*fatal|{_NO_CONVERGENCE.pattern}|"
    r"singular matrix|matrix is singular|division by zero|write error|out of memory|"
    r"un(known|recognized) (parameter|option|model|device|subckt|name)|"
    r"can't find model|unable to find|could not find|no \.measure possible|"
    r"redefinition of \.subckt|"  # ngspice takes the first and ignores the others
    r"is too small, set to|"  # a resistor of 0 Ohm becomes 1e-12, and currents go wrong
    r"simulation (failed|interrupted)|simulation\(s\) aborted|doanalyses:",
    re.IGNORECASE,
)
_ADVICE = {
    "is too small, set to": "leave such a resistor out and join its nodes",
    "singular": "a node without a DC path to ground, or voltage sources in a loop",
    "write error": "the disk is full",
    "no .measure possible": "measure on the vectors instead",
    "with 'option klu'": "call with klu=False",
}
_NO_NUMBER = 1e20  # ngspice writes 1e32 or 1e99 where it divided by zero
_LEVEL_ERROR = 0.05  # [-] an ideal source is exact; this is about wrong circuits


class NoConvergence(NgspiceError):
    """A failure that other solver options may cure."""


def refuse_commands(deck: str, beside: Collection[str] = ()) -> None:
    """Refuse a deck that could run programs or read files outside its folder.

    Args:
        deck: Netlist, or part of one.
        beside: Names of the files that lie beside it: all that it may include.

    Raises:
        InputError: A line begins a command block or includes anything else than a file
            of `beside`, or the text holds control characters.
    """
    if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f]", deck.replace("\r\n", "\n")):
        raise InputError(
            f"The deck holds the control character {found[0]!r}: write plain text."
        )
    for line in map(str.strip, deck.split("\n")):  # a command may begin as a comment
        if _COMMAND.match(line):
            raise InputError(
                f"The deck's line `{line[:60]}` runs commands, which is refused: use "
                "analysis cards such as `.tran` and read the vectors."
            )
    for card in cards(deck):
        if not _FILE.match(card) or _SECTION.fullmatch(card):
            continue
        file = _INCLUDE.fullmatch(card)
        if file is None or file[2] not in beside:
            raise InputError(
                f"The deck's line `{card[:60]}` reaches outside its folder: pass the "
                "file's text along with the deck and include it by its plain name."
            )


def refuse_all_but_models(text: str, origin: str) -> None:
    """Refuse a library of models that would act on the deck around it.

    Args:
        text: Of the library, all files written out.
        origin: The file, for messages.

    Raises:
        InputError: It runs commands, or holds an analysis, an include that was not
            resolved, or an element outside a subcircuit: it is no library, whatever
            else it is. Or a subcircuit holds a source that is no ammeter, an option is
            set for the whole deck, or a function of ngspice redefined.
    """
    refuse_commands(text)
    depth = 0
    for card in cards(text):
        word = card.split()[0].lower()
        if word == ".subckt":
            depth += 1
        elif word == ".ends":
            depth = max(depth - 1, 0)
        elif word not in _LIBRARY and (word[0] == "." or not depth):
            raise InputError(
                f"{origin} is no library of models, for it holds `{card[:60]}`: give a"
                " file of .model, .param and .subckt cards, elements within"
                " subcircuits only."
            )
        elif word[0] == "i" or (word[0] == "v" and not _AMMETER.fullmatch(card)):
            raise InputError(
                f"{origin} has a source within a subcircuit, `{card[:60]}`: a"
                " transistor delivers no power of its own, so leave voltage sources of"
                " 0 V there, which measure currents, and no other."
            )
        for name in map(str.lower, _options(card)):
            if name not in _LIBRARY_OPTIONS:
                raise InputError(
                    f"{origin} sets the option `{name[:60]}` of the whole deck: leave"
                    f" it out; of options a library of models may set"
                    f" {', '.join(sorted(_LIBRARY_OPTIONS))}."
                )
        named = _FUNCTION.match(card)
        if named and named[1].lower() in _BUILT_IN:
            raise InputError(
                f"{origin} redefines `{named[1]}`, a function of ngspice, for the whole"
                " deck: give its own function another name."
            )


def _options(card: str) -> list[str]:
    """Names of the options that a card sets."""
    settings = _OPTION_CARD.match(card)
    return _SETTING.findall(settings[1]) if settings else []


def refuse_unknown_options(deck: str) -> None:
    """Refuse a misspelt `.option`.

    Raises:
        InputError: An option that ngspice 46 does not have.
    """
    for card in cards(deck):
        for name in _options(card):
            if name.lower() not in _OPTIONS:
                raise InputError(
                    f"`{name}` in the deck's line `{card[:60]}` is no option of "
                    "ngspice, which would ignore it silently: correct or drop it."
                )


def check_log(log: str) -> None:
    """Read the verdict out of what ngspice printed.

    Raises:
        NoConvergence: The first bad line tells of a solver that gave up.
        NgspiceError: It tells of anything else.
    """
    lines = log.splitlines()
    for k, line in enumerate(lines):
        if _FATAL.search(line) and not line.startswith("Circuit: "):  # deck's own title
            kind = NoConvergence if _NO_CONVERGENCE.search(line) else NgspiceError
            more = lines[k + 1 : k + 3] if line.rstrip().endswith(":") else []
            said = " ".join(" ".join([line, *more]).split())[:200]
            cause = [f" ({a})" for key, a in _ADVICE.items() if key in said.lower()]
            raise kind(f"ngspice said `{said}`{''.join(cause)}")


def check_solver(log: str, *, demanded: str, has_klu: bool) -> None:
    """Demand that the log proves which linear solver ran.

    Args:
        log: What ngspice printed.
        demanded: `KLU` or `SPARSE`.
        has_klu: Whether this ngspice knows KLU; one that does not may name no solver.

    Raises:
        NgspiceError: Another solver ran, or none was named.
    """
    used = set(re.findall(r"(?m)^Using (KLU|SPARSE)\b", log))
    if not has_klu:
        used.add("SPARSE")
    if used != {demanded}:
        said = " and ".join(sorted(used)) or "no solver"
        raise NgspiceError(f"the log names {said} where {demanded} was demanded")


def check_vectors(
    data: dict[str, np.ndarray],
    *,
    t_stop: float | None,
    v_max: float,
    wanted: Sequence[str] = (),
    peaks: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Look at the numbers.

    Args:
        data: Name -> [points].
        t_stop: [s] Where the transient has to end; None does not check it.
        v_max: [V] Bound of every real-valued node voltage.
        wanted: Vectors that must be there, real, with a value for every time point.
        peaks: [V] Wanted vector -> what its maximum must be, such as a clock's level.

    Raises:
        NgspiceError: A value is not finite or absurd, a vector or its peak is not what
            it must be, or the transient stopped early.
    """
    for name, value in data.items():
        peak = np.abs(value).max()
        if not peak < _NO_NUMBER:  # also where it is NaN
            raise NgspiceError(f"`{name}` reaches {peak:.3g}, which is no solution")
        # What `.dc` sweeps is no node of the circuit, and `.ac` has no scale.
        node = name.startswith("v(") and name != "v(v-sweep)"
        if node and not np.iscomplexobj(value) and peak > v_max:
            raise NgspiceError(f"`{name}` reaches {peak:.3g} V, beyond {v_max:g} V")
    if t_stop is not None:
        last = data["time"][-1] if "time" in data else -np.inf
        if last < t_stop * (1 - 1e-6):  # the header prints times with fewer digits
            raise NgspiceError(f"the transient ends at {last:.4g} s of {t_stop:.4g} s")
    for name in map(str.lower, (*wanted, *peaks)):
        if name not in data:
            raise NgspiceError(f"`{name}` was to be saved and is missing")
        if np.iscomplexobj(data[name]) or len(data[name]) != len(data.get("time", ())):
            raise NgspiceError(f"`{name}` is no real vector over the time points")
    for name, level in peaks.items():
        peak = data[name.lower()].max()
        if abs(peak - level) > _LEVEL_ERROR * level:
            raise NgspiceError(f"`{name}` reaches {peak:.4g} V instead of {level:g} V")
