"""tools/add_backports.py on apt folders made up for the purpose."""

import os
import stat
from pathlib import Path

import pytest

from tools import add_backports as tool


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    umask = os.umask(0o077)  # a careful root's; apt reads as a user of its own
    yield tmp_path
    os.umask(umask)


def added(etc: Path) -> Path:
    suite, file = tool.add_backports(etc, "bookworm")
    assert suite == "bookworm-backports"
    assert file is not None
    return file


DEBIAN_SOURCES = """\
# from the installer
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
"""


def test_deb822_entry_is_copied_with_its_key(etc):
    (etc / "sources.list.d/debian.sources").write_text(DEBIAN_SOURCES)
    file = added(etc)
    assert file == etc / "sources.list.d/rram-jax-backports.sources"
    assert file.read_text() == (
        "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm-backports\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian.gpg\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_value_on_several_lines_is_copied_whole(etc):
    (etc / "sources.list.d/debian.sources").write_text(
        "types: deb\nuris: http://mirror.test/debian/\nsuites:\n bookworm-updates\n"
        "# the release itself\n bookworm\ncomponents: main\n"
        "signed-by:\n -----BEGIN PGP-----\n .\n abc:def\n -----END PGP-----\n"
    )
    file = added(etc)
    assert file.read_text() == (
        "types: deb\nuris: http://mirror.test/debian/\nsuites: bookworm-backports\n"
        "components: main\n"
        "signed-by:\n -----BEGIN PGP-----\n .\n abc:def\n -----END PGP-----\n"
    )


def test_one_line_entry_is_copied_with_its_options(etc):
    (etc / "sources.list").write_text(
        "# deb http://old.test/debian bookworm main\n"
        "deb cdrom:[Debian 12 _Bookworm_ - amd64 DVD]/ bookworm main\n"
        "deb-src http://mirror.test/debian bookworm main\n"
        "deb [ arch=amd64 signed-by=/k.gpg ] http://mirror.test/debian bookworm main"
        " non-free # ours\n"
    )
    file = added(etc)
    assert file == etc / "sources.list.d/rram-jax-backports.list"
    assert file.read_text() == (
        "deb [ arch=amd64 signed-by=/k.gpg ] http://mirror.test/debian"
        " bookworm-backports main\n"
    )


def test_debian_goes_before_a_vendor_with_the_same_suite(etc):
    (etc / "sources.list.d/aaa.list").write_text("deb http://v.test/ bookworm main\n")
    (etc / "sources.list.d/debian.sources").write_text(DEBIAN_SOURCES)
    file = added(etc)
    assert "mirror.test/debian\n" in file.read_text()


def test_mirror_list_of_a_cloud_image_counts_as_debian(etc):
    (etc / "sources.list").write_text(
        "deb http://v.test/apt bookworm main\n"
        "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"
    )
    file = added(etc)
    assert file.read_text() == (
        "deb mirror+file:/etc/apt/mirrors/debian.list bookworm-backports main\n"
    )


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("b.list", "deb http://mirror.test/debian bookworm-backports main\n"),
        (
            "b.sources",
            DEBIAN_SOURCES.replace("bookworm-updates", "bookworm-backports"),
        ),
    ],
)
def test_a_suite_that_is_there_is_left_alone(etc, name, entry):
    (etc / "sources.list").write_text("deb http://mirror.test/debian bookworm main\n")
    (etc / "sources.list.d" / name).write_text(entry)
    before = sorted(etc.rglob("*"))
    assert tool.add_backports(etc, "bookworm") == ("bookworm-backports", None)
    assert sorted(etc.rglob("*")) == before


def test_a_suite_that_is_switched_off_is_added(etc):
    (etc / "sources.list").write_text("deb http://mirror.test/debian bookworm main\n")
    (etc / "sources.list.d/b.sources").write_text(
        "Enabled: no\n"
        + DEBIAN_SOURCES.replace("bookworm-updates", "bookworm-backports")
    )
    (etc / "sources.list.d/c.list").write_text(
        "#deb http://mirror.test/debian bookworm-backports main\n"
    )
    added(etc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deb http://mirror.test/debian trixie main\n",
        "deb http://mirror.test/debian bookworm contrib # main is elsewhere\n",
        "deb http://mirror.test/debian-security bookworm-security main\n",
    ],
)
def test_nothing_to_copy_is_one_sentence_and_no_file(etc, text):
    (etc / "sources.list").write_text(text)
    with pytest.raises(LookupError, match="no apt source offers bookworm main"):
        tool.add_backports(etc, "bookworm")
    assert list((etc / "sources.list.d").iterdir()) == []


def test_a_disc_is_not_copied(etc):
    (etc / "sources.list").write_text("deb cdrom:[DVD]/ bookworm main\n")
    (etc / "sources.list.d/disc.sources").write_text(
        "Types: deb\nURIs: cdrom:[DVD]/\nSuites: bookworm\nComponents: main\n"
    )
    with pytest.raises(LookupError):
        tool.add_backports(etc, "bookworm")


def test_codename_is_read_from_debian_only():
    debian = 'PRETTY_NAME="Debian 12"\nVERSION_CODENAME=bookworm\nID=debian\n'
    assert tool.debian_codename(debian) == "bookworm"
    ubuntu = 'PRETTY_NAME="Ubuntu 24.04"\nVERSION_CODENAME=noble\nID=ubuntu\n'
    with pytest.raises(LookupError, match="Ubuntu 24.04 is no Debian release"):
        tool.debian_codename(ubuntu + "ID_LIKE=debian\n")
    with pytest.raises(LookupError, match="no Debian release"):
        tool.debian_codename('ID=debian\nPRETTY_NAME="Debian sid"\n')
