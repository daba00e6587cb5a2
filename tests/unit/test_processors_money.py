"""Amounts: one canonical form, exact, whatever they come from."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.money import minor, minor_digits, money

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF", "USD", "XXX"])
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20)


@pytest.mark.parametrize(
    ("value", "currency", "wanted"),
    [
        ("78.4", "EUR", "78.40"),
        (78, "eur", "78.00"),
        (Decimal("78.400000"), "EUR", "78.40"),
        ("0.123", "EUR", "0.123"),
        ("1000.00", "JPY", "1000"),
        ("1.5", "JPY", "1.5"),
        ("1", "KWD", "1.000"),
        ("1.00000049", "EUR", "1.00"),
        ("0.0000005", "EUR", "0.000001"),
        ("-0.00", "EUR", "0.00"),
        ("1E+3", "EUR", "1000.00"),
        (" 5 ", "EUR", "5.00"),
    ],
)
def test_the_canonical_form(value, currency, wanted):
    found = money(value, currency)
    assert (format(found.amount, "f"), found.currency) == (wanted, currency.upper())


@given(amount=AMOUNTS, currency=CURRENCIES)
def test_equal_amounts_have_equal_text_however_they_were_written_and_lose_nothing(amount, currency):
    found = money(amount, currency)
    assert found.amount == amount
    again = (str(amount), format(amount, "f"), amount.quantize(Decimal("0.000001")), found.amount)
    assert {str(money(value, currency).amount) for value in again} == {str(found.amount)}
    assert -found.amount.as_tuple().exponent >= minor_digits(currency)


@given(units=st.integers(-(10**15), 10**15), currency=CURRENCIES)
def test_minor_units_are_counted_by_the_currency(units, currency):
    assert minor(units, currency).amount == Decimal(units) / 10 ** minor_digits(currency)


def test_a_giver_that_counts_otherwise_than_iso_says_so():
    assert str(minor(500, "ISK", digits=2).amount) == "5"


@pytest.mark.parametrize(
    "value", [None, True, 1.5, "", "ten", "NaN", "Infinity", "1_000", "٣", Decimal("NaN"), Decimal("1E+999999"), "1e400", 10**22]
)
def test_what_is_no_amount_is_refused_in_words(value):
    with pytest.raises(ValueError, match=r"amount"):
        money(value, "EUR")


@pytest.mark.parametrize("currency", ["", "EU", "EURO", "E1R", "€"])
def test_what_is_no_currency_is_refused_in_words(currency):
    with pytest.raises(ValueError, match=r"no currency: want an ISO 4217 code such as EUR"):
        money("1", currency)
