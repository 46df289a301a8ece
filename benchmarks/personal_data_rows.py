"""Support-desk like rows with and without personal data, labelled, from our own sentences and faker's values.

Half of the rows have one to four findings; the other half has none, but plenty that looks like some: brands, places,
order numbers, dates, headings. Names come from fifteen countries that write with Latin letters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

LOCALES = (
    *("en_GB", "en_US", "en_IN", "en_NG", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "nl_NL", "sv_SE", "pt_BR"),
    *("tr_TR", "cs_CZ", "ro_RO"),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and (start, end, kind) of the personal data in it; kinds as in `tuneloop.data.pii.KINDS`."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


PERSONAL = (
    "{person} bought the kettle two weeks ago and wants the money back.",
    "I was helped by {person} in the shop, who promised a new lid.",
    "The parcel was left with {person} next door.",
    "Yesterday {person} told me the part was on its way.",
    "Could you change the name on the booking to {person}?",
    "Hello, this is {person}, the drawer still does not close.",
    "My name is {person} and I have waited for nine days.",
    "my name is {lower_person} and the pump is dead",
    "It is registered to {person}, my late father.",
    "The technician ({person}) came without tools.",
    "Please speak to {person} or {person} about the roof.",
    "We met {person}'s team at the fair.",
    "{title} {surname} asked for a copy of the bill.",
    "Dear {title} {surname}, your chair is ready.",
    "Name: {person}\nItem: garden bench",
    "The gift was meant for {person}; she never got it.",
    "The lid is cracked again.\n\nKind regards,\n{person}",
    "I will not pay for this twice. Regards, {person}",
    "According to {person} the guarantee covers it.",
    "Forward this to {upper_person}.",
    "You can write to {email} at any time.",
    "My address for the newsletter is {email}, please remove it.",
    "{email} does not get your messages any more.",
    "Ring me on {phone} after six.",
    "My mobile number is {phone}.",
    "Phone: {phone}, best in the morning.",
    "I can be reached at {phone} or by mail to {email}.",
    "The card {card} was charged twice.",
    "You took 40 from my card number {card}.",
    "Refund it to {iban} please.",
    "The account is {iban}, in the name of {person}.",
    "I was logged out from {ip} again.",
    "Somebody at {ip} signed in as me.",
    "My social security number is {ssn}.",
    "They asked for my SSN, {ssn}, for a toaster!",
)
CLEAN = (
    "The {thing} makes a noise when it cools down.",
    "Is the {thing} still sold in {place}?",
    "We drove to {place} for it and the shop was closed.",
    "Order {order} has not moved since {date}.",
    "Invoice {number} of {date} lists the {thing} twice.",
    "I paid {price} and the {thing} came without a plug.",
    "Under {heading} the page only shows an error.",
    "Does the offer for {day} count in {place} as well?",
    "{company} says the parcel is with you.",
    "Tracking {tracking} ends in {place}.",
    "The {thing} works with version {version} of the app.",
    "Why does {company} ask for a meter reading of {number}?",
    "It was fine until {day}, then it stopped.",
    "Thank you, all is well now.",
    "I have tried it three times and it will not start.",
    "Press {heading}, then hold the button for 10 seconds.",
    "The size is {size} and the colour is wrong too.",
    "Where can I find the manual?",
    "nobody answers and i have been waiting for 45 minutes",
    "The quality is good, only the box was torn.",
)
THINGS = (
    *("Nimbus Kettle", "Aurora Floor Lamp", "Fjord Armchair", "Turbo Blender Pro", "Copper Pan Deluxe", "Iris Curtain"),
    *("Jasper Bookcase", "Willow Bench", "Hugo Wardrobe", "Stanley Flask", "Vesta Stove", "Maple Cutting Board"),
    *("Polar Freezer", "Sienna Cushion", "Basil Planter", "Atlas Toolbox", "toaster", "garden hose", "coffee grinder"),
    *("Makita Jigsaw", "Lenovo Yoga", "Nintendo Switch", "Canon Pixma", "Fisher Price Swing", "Black And Decker Saw"),
)
PLACES = (
    *("North Yorkshire", "East Anglia", "Buenos Aires", "Tel Aviv", "San Diego", "Saint Petersburg", "Abu Dhabi"),
    *("Kuala Lumpur", "West Virginia", "Rhode Island", "Isle of Wight", "Newcastle upon Tyne", "Puerto Rico"),
    *("Bury St Edmunds", "King's Cross", "Covent Garden", "Trafalgar Square", "Oslo", "Lisbon", "Baden-Baden"),
)
COMPANIES = (
    *(
        "Royal Bank of Scotland",
        "Parcel Force",
        "Marks and Spencer",
        "Thames Water",
        "Scottish Power",
        "Morgan Stanley",
    ),
    *("Johnson Controls", "Rolls Royce", "Aston Martin", "Charles Schwab", "Dr. Oetker", "Ben & Jerry's", "John Lewis"),
    *("British Gas", "Octopus Energy", "Procter & Gamble", "Deutsche Post", "Warner Brothers", "General Electric"),
)
HEADINGS = (
    *("Payment Methods", "My Orders", "Delivery Options", "Terms of Use", "Reset Password", "Saved Addresses"),
    *("Track Parcel", "Gift Vouchers", "Contact Us", "Return Policy", "Account Details", "Sign In"),
)
DAYS = ("Boxing Day", "Easter Monday", "Cyber Monday", "Labor Day", "Bank Holiday Monday", "Friday", "New Year's Eve")
TITLES = ("Mr", "Mrs", "Ms", "Dr")
_SLOT = re.compile(r"\{(\w+)\}")


def make_rows(seed: int, count: int) -> list[Labelled]:
    """`count` rows, the same for the same seed: every second one with personal data, in random order."""
    chance = random.Random(seed)
    fakes = _fakers(seed)
    rows = [_row(chance, fakes, is_personal=number % 2 == 0) for number in range(count)]
    chance.shuffle(rows)
    return rows


def _fakers(seed: int) -> list[Any]:
    from faker import Faker

    fakes = [Faker(locale) for locale in LOCALES]
    for number, fake in enumerate(fakes):
        fake.seed_instance(seed * 1000 + number)
    return fakes


def _row(chance: random.Random, fakes: list[Any], *, is_personal: bool) -> Labelled:
    sentences = [chance.choice(CLEAN) for _ in range(chance.randint(1, 4))]
    if is_personal:
        at = chance.randint(0, len(sentences))
        sentences[at:at] = [chance.choice(PERSONAL) for _ in range(chance.choice((1, 1, 2)))]
    text, spans = "", []
    makers = _makers(chance, chance.choice(fakes), fakes)
    for sentence in sentences:
        for piece, kind in _filled(sentence, makers):
            if kind:
                spans.append((len(text), len(text) + len(piece), kind))
            text += piece
        text += "\n" if "egards" in sentence else " "  # the sentence behind a name begins on a new line
    return Labelled(text.rstrip(), tuple(spans))


def _filled(sentence: str, makers: Mapping[str, Callable[[], str]]) -> Iterator[tuple[str, str | None]]:
    position = 0
    for match in _SLOT.finditer(sentence):
        yield sentence[position : match.start()], None
        slot = match[1]
        kind = "person" if slot.endswith("person") or slot == "surname" else slot
        yield makers[slot](), kind if kind in KINDS else None
        position = match.end()
    yield sentence[position:], None


KINDS = ("person", "email", "phone", "card", "iban", "ip", "ssn")
"""What the generator writes and both contestants look for."""


def _makers(chance: random.Random, fake: Any, fakes: list[Any]) -> dict[str, Callable[[], str]]:
    american, digits = fakes[LOCALES.index("en_US")], partial(_digits, chance)
    lists = {"thing": THINGS, "place": PLACES, "company": COMPANIES, "heading": HEADINGS, "day": DAYS, "title": TITLES}
    return {
        **{name: partial(chance.choice, values) for name, values in lists.items()},
        "person": partial(_person, chance, fake),
        "lower_person": lambda: str.lower(_person(chance, fake)),
        "upper_person": lambda: str.upper(_person(chance, fake)),
        "surname": fake.last_name,
        "email": fake.email,
        "phone": partial(_phone, chance),
        "card": lambda: _grouped(chance, american.credit_card_number(chance.choice(("visa16", "mastercard", "amex")))),
        "iban": lambda: _grouped(chance, fakes[LOCALES.index("de_DE")].iban()),
        "ip": american.ipv4_public,
        "ssn": american.ssn,
        "order": lambda: f"{chance.choice(('AB', 'ORD', 'MG', '#'))}-{digits(5)}",
        "number": lambda: digits(chance.choice((4, 6, 8))),
        "tracking": lambda: chance.choice((f"JD{digits(16)}", f"1Z{digits(6)}AA{digits(8)}", digits(12))),
        "date": lambda: american.date(chance.choice(("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%m/%d/%Y"))),
        "price": lambda: f"{chance.choice('£$€')}{chance.randint(1, 4000)}.{digits(2)}",
        "version": lambda: f"{chance.randint(1, 12)}.{chance.randint(0, 30)}.{chance.randint(0, 200)}",
        "size": lambda: f"{chance.randint(20, 200)} x {chance.randint(20, 200)} x {chance.randint(1, 90)} cm",
    }


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _person(chance: random.Random, fake: Any) -> str:
    middle = f" {chance.choice('ABCDEFGHJKLMNPRST')}." if chance.random() < 0.1 else ""
    return f"{fake.first_name()}{middle} {fake.last_name()}"


def _phone(chance: random.Random) -> str:
    """Numbers that exist by their plan: British and American ones with or without the country, others with it."""
    import phonenumbers

    form = phonenumbers.PhoneNumberFormat
    region = chance.choice(("GB", "GB", "US", "US", "DE", "FR", "IN", "PL"))
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    while True:
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(str(example.national_number)[:-5] + _digits(chance, 5)),
        )
        if phonenumbers.is_valid_number(number):
            forms = (form.INTERNATIONAL, form.E164, *([form.NATIONAL] * 2 if region in {"GB", "US"} else []))
            return str(phonenumbers.format_number(number, chance.choice(forms)))


def _grouped(chance: random.Random, number: str) -> str:
    separator = chance.choice(("", " "))
    return separator.join(number[i : i + 4] for i in range(0, len(number), 4))
