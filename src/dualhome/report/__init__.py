"""What people and programs see: tables for a terminal, JSON, JUnit, drawings.

In: views of the floors below (routes, sessions, paths, findings, stories, plans). Out: text. `data` turns each view into plain data, whose keys
are those of the topology format; `json` writes it, the same bytes in any process; `tables`, `paths` and `story` show it in a terminal;
`diagram` draws a network as SVG or for Mermaid. Nothing here asks or decides anything.
"""
