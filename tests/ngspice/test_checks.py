import re

import numpy as np
import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.checks import (
    NoConvergence,
    check_log,
    check_solver,
    check_vectors,
    refuse_commands,
    refuse_unknown_options,
)


@pytest.mark.parametrize(
    "line",
    [
        ".control",
        "  .CONTROL",
        ".controlx",  # ngspice matches the prefix, and runs what follows
        ".endc",
        ".exec",
        ".system ls",
        "*# shell touch x",
        "\t*# shell touch x",
        ".include /etc/passwd",
        ".inc '/etc/passwd'",
        '.INCLUDE "../x.lib"',
        ".include a/../../x.lib",
        ".include ~/x.lib",
        ".include $HOME/x.lib",
        ".include\n+ /etc/passwd",
        ".lib /a/b.lib tt",
        ".lib ../b.lib tt",
        ".include C:\\x.lib",
        ".include sub/part.lib",
        ".include part.lib/../../x.lib",
        ".include other.lib",  # none that lies beside the deck
        ".lib other.lib tt",
        '.lib"/etc/passwd" tt',
        ".include\n* between\n\n+ /etc/passwd",
        ".incslot part.lib",
        ".include `ls`",
        "R1 a 0 1\r.control",
        "R1 a 0 1\x0c.control",
        "R1 a 0 \x00",
    ],
)
def test_commands_and_foreign_files_are_refused(line):
    for deck in (f"title\n{line}\n.end\n", f"title\n.op\n.end\n{line}\n"):
        with pytest.raises(InputError, match=r"deck"):
            refuse_commands(deck, beside=["part.lib"])


def test_a_file_that_is_a_script_is_refused():
    with pytest.raises(InputError, match="runs commands"):
        refuse_commands("*ng_script\nshell touch x\n")


def test_ordinary_decks_pass():
    refuse_commands(
        "* control of a system\r\n"
        "* see ../notes, /etc/passwd and .control µ\n"
        ".include part.lib $ ../ in a comment\n"
        '.INC "part-2.lib" ; /etc\n'
        ".lib models.lib tt\n.lib tt\n.endl\n"
        "Xsystem a 0 cell\n.ends\n.end\n",
        beside=["part.lib", "part-2.lib", "models.lib"],
    )


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (".option reltoll=1e-4", "reltoll"),
        (".options klu method = gear  relltol = 1e-3", "relltol"),
        (".OPT KLU POST", "POST"),
        (".option klu\n+ retol=1", "retol"),
        (".option filetype=ascii", "filetype"),
    ],
)
def test_unknown_options_are_refused(card, name):
    with pytest.raises(InputError, match=f"`{name}`"):
        refuse_unknown_options(f"title\n{card}\n.end\n")


def test_known_options_pass():
    refuse_unknown_options(
        "option of the title\n.option klu METHOD=gear reltol = 1e-4 $ of course\n"
        ".options abstol={1e-12 * 2} vntol='1e-6 / 2'\n+ cshunt=1e-15\n.opt\n.end\n"
    )


GOOD_LOG = """
Note: No compatibility mode selected!
Circuit: * fatal error: singular matrix, timestep too small
Note: Starting dynamic gmin stepping
Trying gmin =   1.0000E-03 Note: One successful gmin step
Note: Dynamic gmin stepping completed
Using KLU as Direct Linear Solver
error                                   0.5
"""


def test_completed_gmin_stepping_a_title_and_a_node_name_are_not_fatal():
    check_log(GOOD_LOG)


@pytest.mark.parametrize(
    "line",
    [
        "Warning: singular matrix: check node b",
        "Warning (ReFactor): KLU Matrix is SINGULAR",
        "unrecognized parameter (cj) - ignored",
        "Error: unknown subckt: x1 d 0 foo",
        "warning, can't find model 'nn' from line",
        "ERROR: fatal error in ngspice, exit(1)",
        "MIF-ERROR - unable to find definition of model x",
        "Warning: redefinition of .subckt a, ignored",
        "Fatal: Toxe = 0 is not positive.",
        "Warning: rawfile write error !!",
        "Warning: Value of resistor r1 is too small, set to 1.000000e-12",
        "No .measure possible in batch mode (-b) with -r rawfile set!",
        "Unknown model type foo - ignored",
        "doAnalyses: not found",
    ],
)
def test_a_fatal_line_is_quoted(line):
    with pytest.raises(NgspiceError, match=re.escape(line.strip())) as caught:
        check_log(f"{GOOD_LOG}{line}\n")
    assert not isinstance(caught.value, NoConvergence)


@pytest.mark.parametrize(
    "line",
    [
        'doAnalyses: TRAN:  Timestep too small; time = 1e-09: trouble with node "b"',
        "Warning: Dynamic gmin stepping failed",
        "Warning: source stepping failed",
        "Note: Transient op started",
    ],
)
def test_lines_that_tell_of_no_convergence(line):
    with pytest.raises(NoConvergence):
        check_log(f"{GOOD_LOG}{line}\n")


def test_the_first_bad_line_decides_and_brings_its_cause():
    log = "Error on line 3 or its substitute:\n  m1 d d\n  unknown parameter (blah)\n"
    with pytest.raises(NgspiceError, match=r"m1 d d unknown parameter \(blah\)"):
        check_log(log)
    # A voltage loop is no matter of convergence, whatever fails afterwards.
    log = "Warning: singular matrix:  check node v1#branch\nTimestep too small\n"
    with pytest.raises(NgspiceError, match="voltage sources in a loop") as caught:
        check_log(log)
    assert not isinstance(caught.value, NoConvergence)


KLU = "Using KLU as Direct Linear Solver\n"
SPARSE = "Using SPARSE 1.3 as Direct Linear Solver\n"


def test_solver_is_believed_only_from_the_log():
    check_solver(KLU + KLU, demanded="KLU", has_klu=True)
    check_solver(SPARSE, demanded="SPARSE", has_klu=True)
    check_solver("", demanded="SPARSE", has_klu=False)
    for log in ("", SPARSE, KLU + SPARSE, "Circuit: Using KLU\n"):
        with pytest.raises(NgspiceError, match="KLU was demanded"):
            check_solver(log, demanded="KLU", has_klu=True)
    with pytest.raises(NgspiceError, match="SPARSE was demanded"):
        check_solver(KLU, demanded="SPARSE", has_klu=True)


def vectors(**changes):
    return {
        "time": np.array([0.0, 1e-9, 2e-9]),
        "v(a)": np.array([0.0, -1.7, 1.8]),
        "i(v1)": np.array([0.0, 50.0, -1e3]),
    } | changes


def test_good_vectors_pass():
    check_vectors(vectors(), t_stop=2e-9, v_max=1.8)
    check_vectors(vectors(), t_stop=None, v_max=1.8)
    sweep = {"v(v-sweep)": np.arange(40.0), "v(a)": np.ones(40)}
    check_vectors(sweep, t_stop=None, v_max=1.8)
    gain = {"frequency": np.array([1 + 0j]), "v(a)": np.array([2e3 - 1j])}
    check_vectors(gain, t_stop=None, v_max=1.8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v(a)": np.array([0.0, np.nan, 0.0])}, r"v\(a\).*nan"),
        ({"i(v1)": np.array([0.0, 0.0, -np.inf])}, r"i\(v1\).*inf"),
        ({"i(v1)": np.array([0.0, -1e32, 0.0])}, r"i\(v1\).*1e\+32"),
        ({"v(a)": np.array([0.0, -1.81, 0.0])}, r"v\(a\).*1.81 V"),
        ({"time": np.array([0.0, 1e-9, 1.99e-9])}, "ends at 1.99e-09 s of 2e-09 s"),
    ],
)
def test_bad_vectors_are_refused(changes, words):
    with pytest.raises(NgspiceError, match=words):
        check_vectors(vectors(**changes), t_stop=2e-9, v_max=1.8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v(a)": np.array([0.0, 0.0, 1.71])}, r"`v\(A\)` reaches 1.71 V instead of"),
        ({"v(a)": np.array([0.0, 0.0, 1.92])}, r"`v\(A\)` reaches 1.92 V instead of"),
        ({"v(a)": np.array([1.8, 1.8])}, "no real vector over the time points"),
        ({"v(a)": np.full(3, 1.8 + 0j)}, "no real vector over the time points"),
        ({"i(v1)": np.array([1.0])}, r"`i\(v1\)` is no real vector"),
    ],
)
def test_wanted_vectors_are_there_and_reach_what_is_known(changes, words):
    asked = {"wanted": ["V(a)", "i(v1)"], "peaks": {"v(A)": 1.81}}
    check_vectors(vectors(), t_stop=2e-9, v_max=5.0, **asked)
    with pytest.raises(NgspiceError, match=words):
        check_vectors(vectors(**changes), t_stop=2e-9, v_max=5.0, **asked)
    with pytest.raises(NgspiceError, match=r"`v\(b\)` was to be saved and is missing"):
        check_vectors(vectors(), t_stop=2e-9, v_max=5.0, wanted=["v(b)"])


def test_a_transient_was_asked_for_and_is_missing():
    with pytest.raises(NgspiceError, match="transient ends"):
        check_vectors({"v(a)": np.ones(1)}, t_stop=2e-9, v_max=1.8)
