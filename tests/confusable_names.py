"""Pairs of scopes' names that something could take for each other."""

CONFUSABLE_NAMES = [
    ("acme", "acme-corp"),
    ("acme", "ACME"),
    ("acme", "acme "),
    ("a%", "ab"),
    ("a_", "ab"),
    ("a[b]", "ab"),
    ("a*", "ab"),
    ("caf\u00e9", "cafe\u0301"),
    ("../a", "a"),
    ("a/../b", "b"),
    ("a/b", "a"),
    ("a", "a\n"),
    ("a'; DROP TABLE scopes; --", "a"),
    ('a"', "a"),
    ("\u202ea", "a"),
    ("x" * 512, "x" * 511),
]
