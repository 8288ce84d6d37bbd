from dataclasses import dataclass
from datetime import date

import pytest

from rram_jax.errors import InputError
from rram_jax.toml_file import MAX_BYTES, check_record, parse_record, read_record
from tests.helpers import is_one_sentence


@dataclass(frozen=True, kw_only=True)
class Inner:
    r: float
    n: int = 2


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner
    sizes: tuple[int, ...] = (1,)

    def __post_init__(self):
        if len(self.name) > 4:
            raise InputError(f"The name {self.name!r} is too long.")


GOOD = 'name = "ab"\nsizes = [3, 1]\n[inner]\nr = 5\n'


def test_a_good_file(tmp_path):
    path = tmp_path / "a b.toml"
    path.write_text(GOOD)
    # An integer is a float, as Python's numbers are; a list is a tuple.
    expected = Outer(name="ab", inner=Inner(r=5.0), sizes=(3, 1))
    assert read_record(path, Outer, "thing") == expected
    assert isinstance(read_record(path, Outer, "thing").inner.r, float)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "not valid TOML"),
        ("name = \x00", "not valid TOML"),
        ('name = "ab"\nname = "cd"\n', "not valid TOML"),
        (GOOD + "q = 1", "inner.q: there is no such key"),
        ('nam = "x"\n' + GOOD, "nam: there is no such key"),
        (GOOD.replace("name", "nmae"), "there is no such key (did you mean name?)"),
        ('name = "ab"', "inner"),
        (GOOD.replace("5", '"5"'), "inner.r"),
        (GOOD.replace("5", "true"), "inner.r"),
        (GOOD.replace("5", "2020-01-01"), "inner.r"),
        (GOOD + "n = 2.5", "inner.n"),
        (GOOD.replace("[3, 1]", "[3, 1.5]"), "sizes.1"),
        (GOOD.replace("ab", "too long"), "The name 'too long' is too long"),
        # What a hostile file may hold: none of these is parsed before it fails.
        ("inner = " + "[" * 90_000, "not valid TOML"),
        ("inner = " + "[" * 400 + "]" * 400, "recursion limit"),
        ("inner" + ".r" * 2000 + " = 1", "nested"),
        ("inner.r = " + "1" * 5000, "digits"),
    ],
)
def test_every_mistake_is_one_sentence(text, told):
    with pytest.raises(InputError, match="thing x") as error:
        parse_record(text, Outer, "thing x")
    assert told in str(error.value)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("table", [None, [], 3, {"name": {"inner": date(2020, 1, 1)}}])
def test_what_is_no_table(table):
    with pytest.raises(InputError) as error:
        check_record(table, Outer, "thing x")
    assert is_one_sentence(error.value)


def test_files_that_cannot_be_one(tmp_path):
    huge = tmp_path / "huge.toml"
    huge.write_text("#" * (MAX_BYTES + 1))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="over 200000 bytes"):
        read_record(huge, Outer, "thing")
    for path in (huge, binary, tmp_path, tmp_path / "absent.toml"):
        with pytest.raises(InputError, match=path.name) as error:
            read_record(path, Outer, "thing")
        assert is_one_sentence(error.value)
