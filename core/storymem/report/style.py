"""The report's style sheet; RATIO stands for the film's width/height."""

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --accent: #b3541e; }
@media (prefers-color-scheme: dark) { :root { --accent: #f0a06a; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 2rem; } h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1.5rem 0 .5rem; } h3 span, h4 small { font-weight: normal; opacity: .7; } h4 { margin: 1rem 0 .3rem; }
nav { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; } a { color: var(--accent); }
dl { display: flex; flex-wrap: wrap; gap: .2rem 1.5rem; margin: .5rem 0; } dl div { max-width: 100%; }
dt { font-size: 12px; opacity: .7; } dd { margin: 0; }
.note { border-left: 4px solid var(--accent); padding-left: .7rem; }
.pic { display: block; width: 100%; aspect-ratio: RATIO; background: var(--soft) center / contain no-repeat;
  border-radius: 4px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.pic.none { display: grid; place-items: center; border: 1px dashed var(--line); font-size: 12px; opacity: .7; }
.board { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
.card { display: block; color: inherit; text-decoration: none; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; } .card:hover, .card:focus-visible { border-color: var(--accent); }
.card .pic { margin-bottom: .4rem; } .card span { opacity: .7; font-size: 13px; }
.card p { margin: .2rem 0 0; font-size: 13px; display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical;
  overflow: hidden; }
.card.failed { border-color: #c0341d; }
.shot { padding-bottom: 1rem; } .shot + .shot { border-top: 1px solid var(--line); }
.shot:target { background: var(--soft); }
.sides { display: flex; flex-wrap: wrap; gap: 1rem; } .sides > div { flex: 1 1 20rem; min-width: 0; }
.sides > .poster { flex: 0 1 20rem; } .sides p { margin-top: 0; } .lines { border-left: 3px solid var(--line);
  padding-left: .7rem; }
.row { display: flex; gap: .5rem; overflow-x: auto; padding-bottom: .3rem; } figure { margin: 0; flex: 0 0 9rem; }
figcaption { font-size: 12px; } figcaption small { display: block; opacity: .75; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
summary { cursor: pointer; margin-top: .7rem; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .2rem .7rem; align-items: center; }
.bars i { display: block; height: .7rem; background: var(--accent); border-radius: 2px; }
@media print { .row { flex-wrap: wrap; } .shot, .card { break-inside: avoid; } }
"""
