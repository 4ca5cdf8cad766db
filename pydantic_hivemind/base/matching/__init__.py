r"""Regular expressions and globs that take time linear in the text and bounded memory, whatever the pattern.

A pattern is parsed here (`regex_syntax`, `globs`) into `expressions`, its cost is bounded before anything is compiled,
and RE2 runs it over bytes (`automata`): over ASCII as it is, over UTF-8 with a pattern that never matches less, whose
candidates are then checked over an alphabet of the pattern's own, in which RE2's `\b` is Unicode's.
"""
