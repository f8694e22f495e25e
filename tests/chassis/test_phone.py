"""What is a telephone number, and which two are the same."""

from __future__ import annotations

import pytest

from chassis.phone import NotAPhone, phone_numbers, region_of_zone

SHANGHAI = ("+862155551234",)


@pytest.mark.parametrize(
    "text",
    [
        "021-5555 1234",
        "02155551234",
        "(021)55551234",
        "（０２１）５５５５－１２３４",
        "21-5555 1234",
        "+86 21 5555-1234",
        "+86 021 5555 1234",
        "0086 21 5555 1234",
        "86-21-55551234",
        "tel:+862155551234",
        "电话:021-55551234",
        "Tel. 021-5555 1234",
        "021\u201155551234",
        "021 5555 1234\u202c",
        "٠٢١-٥٥٥٥١٢٣٤",
    ],
)
def test_a_chinese_landline_is_the_same_in_every_spelling(text: str) -> None:
    assert phone_numbers(text, "CN") == SHANGHAI


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("139 0000 1111", "+8613900001111"),
        ("139.0000.1111", "+8613900001111"),
        ("013900001111", "+8613900001111"),
        ("8613900001111", "+8613900001111"),
        ("(+86) 139 0000 1111", "+8613900001111"),
        ("400-820-8820", "+864008208820"),
        ("800 820 8820", "+868008208820"),
        ("95588", "95588;phone-context=+86"),
        ("10086", "10086;phone-context=+86"),
        ("+86 10086", "10086;phone-context=+86"),
        ("5555 1234", "55551234;phone-context=+86"),
        ("0571-8888 8888", "+8657188888888"),
        ("0755-83765566", "+8675583765566"),
        ("+1 212 555 0100", "+12125550100"),
        ("1-212-555-0100", "+12125550100"),
        ("+49 (0)89 123456", "+4989123456"),
        ("852-23456789", "+85223456789"),
    ],
)
def test_numbers_of_china_and_abroad_have_one_form(text: str, number: str) -> None:
    assert phone_numbers(text, "CN") == (number,)


@pytest.mark.parametrize(
    "text",
    [
        "021-55551234-801",
        "(021)55551234-801",
        "021-55551234 ext. 801",
        "021-55551234 x801",
        "021-55551234转801",
        "021-5555 1234 分机 801",
        "+862155551234;ext=801",
        "021 5555 1234 #801",
    ],
)
def test_an_extension_is_kept_and_tells_two_numbers_of_one_switchboard_apart(text: str) -> None:
    assert phone_numbers(text, "CN") == ("+862155551234;ext=801",)
    assert phone_numbers(text.replace("801", "802"), "CN") != phone_numbers(text, "CN")


def test_several_numbers_in_one_text_are_taken_if_each_is_one() -> None:
    both = ("+8613900001111", "+8613811112222")
    for text in ("139 0000 1111/138 1111 2222", "13900001111、13811112222", "13900001111 或 13811112222"):
        assert phone_numbers(text, "CN") == both
    assert phone_numbers("13900001111, 139-0000-1111", "CN") == both[:1]
    with pytest.raises(NotAPhone):
        phone_numbers("13900001111/5", "CN")


def test_a_number_without_prefix_is_read_by_the_plan_of_its_country() -> None:
    assert phone_numbers("(213) 555-0123", "US") == ("+12135550123",)
    assert phone_numbers("089/123456", "DE") == ("+4989123456",)
    assert phone_numbers("13900001111", "US") == ("+8613900001111",), "the default plan is asked last"


@pytest.mark.parametrize(
    "text",
    [
        "1.38E+10",
        "1,38E+10",
        "1.38e10",
        "13800138000.0",
        "2026-11-27",
        "2026/11/27",
        "2026.11.27",
        "20261127",
        "27.11.2026",
        "11/27/2026",
        "2026-1-5",
        "2026-11-27 00:00:00",
        "2026年11月27日",
        "٢٠٢٦-١١-٢٧",
        "46353",
        "46353.5",
        "1,200.00",
        "1200.00",
        "¥1,200.00",
        "50%",
        "0",
        "00000000",
        "11111111111",
        "99999999999",
        "12345678901",
        "310101199001011234",
        "on request",
        "ask Li",
        "none",
        "无",
        "-",
        "N/A",
        "#N/A",
        "=1+1",
        "TRUE",
        "12:30",
        "192.168.1.100",
        "10.0.0.1",
        "1",
        "8001",
        "1234567",
        "12345678",
        "139 0000",
        "1390000111",
        "139000011112",
        "+",
        "()",
        "+86",
        "-5551234",
        "13900001111 Wang",
        "3.14159",
        "INV-2026-001",
        "1e999",
    ],
)
def test_a_date_an_amount_or_a_word_is_no_number(text: str) -> None:
    with pytest.raises(NotAPhone):
        phone_numbers(text, "CN")


def test_the_country_of_a_time_zone_is_known_by_each_of_its_names() -> None:
    zones = ("Asia/Shanghai", "PRC", "Asia/Urumqi", "America/Los_Angeles", "US/Pacific", "Asia/Calcutta")
    assert [region_of_zone(zone) for zone in zones] == ["CN", "CN", "CN", "US", "US", "IN"]
    assert region_of_zone("UTC") is None
    assert region_of_zone("Mars/Olympus") is None
