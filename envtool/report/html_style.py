"""The look of the HTML report: light and dark, on a phone, on a screen, on paper. No colour alone carries a meaning."""

from __future__ import annotations

# Every pair of text and ground has a contrast of 4.5 to 1 or more in both schemes; a test computes it.
_LIGHT = """\
  --ground: #ffffff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --panel: #f3f5f8; --focus: #0550ae;
  --pass: #0f5a26; --pass-ground: #dcf5e3; --warn: #6f4300; --warn-ground: #fdeecb;
  --fail: #9b1020; --fail-ground: #fde4e4; --unknown: #5b2a94; --unknown-ground: #efe4fb;
  --none: #4f5862; --none-ground: #e9ecf0;
"""
_DARK = """\
  --ground: #0f1318; --text: #e4e9ef; --quiet: #9fabb8; --line: #343c46; --panel: #1a2028; --focus: #8ab8ff;
  --pass: #8ee6a2; --pass-ground: #12331d; --warn: #f5cf77; --warn-ground: #3a2b08;
  --fail: #ffaaa5; --fail-ground: #481519; --unknown: #d8b8ff; --unknown-ground: #321f4a;
  --none: #b3bdc8; --none-ground: #272e37;
"""
_FONT = 'font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;'
_PARTS = """\
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; display: flex; gap: .6rem; align-items: baseline; }
p { margin: 0 0 .5rem; }
p, dd, td, th, h3, summary, li { overflow-wrap: anywhere; }
code, pre { font: .92em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
p code, dd code, td code { background: var(--panel); padding: .1em .3em; border-radius: .25rem; }
.by { color: var(--quiet); font-size: .9rem; margin: 0 0 .25rem; }
.label, .group { color: var(--quiet); }
.label { display: block; font-size: .9rem; }
.mark {
  display: inline-block; min-width: 3.4em; padding: .12em .5em; border-radius: .3rem; text-align: center;
  font-size: .8rem; font-weight: 700; line-height: 1.4; white-space: nowrap;
}
.mark.pass, .mark.skip { color: var(--pass); background: var(--pass-ground); }
.mark.warn { color: var(--warn); background: var(--warn-ground); }
.mark.fail { color: var(--fail); background: var(--fail-ground); }
.mark.unknown { color: var(--unknown); background: var(--unknown-ground); }
.mark.none { color: var(--none); background: var(--none-ground); }
.groups { margin: 1.25rem 0 0; border-top: 1px solid var(--line); }
.groups > div { display: grid; grid-template-columns: 10rem 1fr; padding: .6rem 0; }
.groups > div { border-bottom: 1px solid var(--line); }
.groups dt { font-weight: 600; }
.groups dt .mark { margin-right: .4rem; }
.groups dd { margin: 0; }
.problem { border: 1px solid var(--line); border-left-width: .35rem; border-radius: .4rem; padding: .8rem 1rem; }
.problem { margin: 0 0 .8rem; }
.problem.fail { border-left-color: var(--fail); }
.problem.warn { border-left-color: var(--warn); }
.problem.unknown { border-left-color: var(--unknown); }
details dl { margin: .5rem 0 0; }
details dt { font-weight: 600; margin-top: .5rem; }
details dd { margin: 0; }
summary { cursor: pointer; padding: .3rem 0; color: var(--focus); }
summary code { white-space: nowrap; }
section > details { margin: 1.5rem 0 0; border-top: 1px solid var(--line); padding-top: .6rem; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: .2rem; }
table { border-collapse: collapse; width: 100%; margin-top: .6rem; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; width: 17rem; }
tbody th .group { display: block; font-size: .85rem; }
.last { margin-top: 2rem; padding: 1rem 1.1rem 1.1rem; background: var(--panel); border-radius: .5rem; }
.last h2 { margin-top: 0; }
.last p:last-child { margin-bottom: 0; }
.last p code { background: none; padding: 0; }
/* One click takes the whole line; it is wrapped for the eye only. */
.last pre {
  margin: .75rem 0 0; padding: .9rem 1rem; background: var(--ground);
  border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere; -webkit-user-select: all; user-select: all;
}
.last pre span, dd code span { display: inline-block; max-width: 100%; }
.step { font-weight: 600; }
.not { font-weight: 600; }
@media (max-width: 40rem) {
  h1 { font-size: 1.45rem; }
  .groups > div { grid-template-columns: 1fr; gap: .25rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { display: grid; grid-template-columns: auto 1fr; column-gap: .7rem; border-bottom: 1px solid var(--line); }
  tbody th, tbody td { border: 0; width: auto; padding: .45rem 0 .1rem; }
  tbody td:last-child { grid-column: 1 / -1; padding: 0 0 .55rem; }
  tbody th .group { display: inline; }
}
"""
_PRINT = """\
@media print {
  :root {
    --ground: #ffffff; --text: #000000; --quiet: #444444; --line: #999999; --panel: #ffffff; --focus: #000000;
    --pass: #000000; --pass-ground: #ffffff; --warn: #000000; --warn-ground: #ffffff; --fail: #000000;
    --fail-ground: #ffffff; --unknown: #000000; --unknown-ground: #ffffff; --none: #000000; --none-ground: #ffffff;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .mark { border: 1px solid #000000; }
  .problem, .last, tr, .groups > div { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .last { border: 1px solid #000000; }
}
"""
STYLE = f"""\
:root {{
  color-scheme: light dark;
{_LIGHT}}}
@media (prefers-color-scheme: dark) {{
  :root {{
{_DARK}  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0; background: var(--ground); color: var(--text); -webkit-text-size-adjust: 100%;
  {_FONT}
}}
main {{ max-width: 54rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }}
{_PARTS}{_PRINT}"""

# Under a cell. JupyterLab, VS Code and Colab each say in their own way which theme they show; where none is said, the
# system's counts. What they do to tables, code and headings of any output is taken back.
_THEMES = 'body[data-jp-theme-light="{light}"], body.vscode-{name}, html[theme="{name}"]'
NOTEBOOK_STYLE = f"""\
.envtool-doctor {{
{_LIGHT}  color-scheme: light;
  max-width: 54rem; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--ground); color: var(--text); text-align: left; white-space: normal;
  {_FONT}
}}
@media (prefers-color-scheme: dark) {{
  .envtool-doctor {{
{_DARK}    color-scheme: dark;
  }}
}}
:is({_THEMES.format(light="true", name="light")}) .envtool-doctor {{
{_LIGHT}  color-scheme: light;
}}
:is({_THEMES.format(light="false", name="dark")}) .envtool-doctor {{
{_DARK}  color-scheme: dark;
}}
.envtool-doctor {{
& * {{ box-sizing: border-box; color: inherit; }}
& :is(h1, h2, h3, p, dl, dt, dd, table, tr, th, td, code, pre, summary) {{
  background: none; border: 0; text-align: left; text-indent: 0; float: none; max-width: none; width: auto;
}}
& table {{ margin: 0; table-layout: auto; }}
& :is(table, tr, th, td) {{ white-space: normal; background: none !important; }}
{_PARTS}}}
"""
