import pytest

from rram_jax.report.text import Share, counted, percent, significant


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (0.0, 3, "0"),
        (1234.6, 3, "1,230"),
        (1234.6, 5, "1,234.6"),
        (0.99996, 3, "1.00"),
        (999.96, 3, "1,000"),
        (-1.0567, 3, "-1.06"),
        (0.00123, 2, "0.0012"),
        (float("nan"), 3, "nan"),
    ],
)
def test_significant_digits(x, digits, text):
    # 1,234.6 keeps three digits: the fourth would claim what nobody measured.
    shown = significant(x, digits)
    assert float(shown.replace(",", "")) == pytest.approx(
        float(text.replace(",", "")), nan_ok=True
    )
    assert shown == text


def test_only_all_is_called_100_per_cent():
    assert percent(1.0) == "100.0\N{NO-BREAK SPACE}%"
    assert percent(0.9996) == "99.96\N{NO-BREAK SPACE}%"
    assert percent(0.9999999).startswith(">")
    assert percent(0.12345, 2) == "12.35\N{NO-BREAK SPACE}%"


def test_a_share_has_wilson_s_interval():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20.
    assert Share(k=81, n=263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert Share(k=0, n=20).interval == pytest.approx((0.0, 0.1611), abs=5e-5)
    share = Share.from_mean(0.984375, 64)
    assert (share.counted, share.percent) == ("63 of 64", "98.4\N{NO-BREAK SPACE}%")
    assert share.bounds == "91.7 to 99.7\N{NO-BREAK SPACE}%"


def test_a_mean_over_nothing_is_no_share():
    share = Share.from_mean(float("nan"), 0)
    assert (share.counted, share.percent, share.bounds) == ("0 of 0", "-", "-")


def test_one_is_singular():
    assert [counted(n, "chip") for n in (0, 1, 2)] == ["0 chips", "1 chip", "2 chips"]
