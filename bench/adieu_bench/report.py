"""What is printed: medians with least and most, ratios to adieu, the settings; and the same as JSON and as an SVG beside it."""
import statistics

COLUMNS = [  # key, head, decimals, whether more is better
    ("messages", "messages", 0, None),
    ("accepted", "accepted/s", 0, True),
    ("delivered", "delivered/s", 0, True),
    ("cpu", "CPU us/msg", 0, False),
    ("memory", "PSS MiB", 1, False),
    ("syncs", "syncs/msg", 3, False),
    ("bytes", "written B/msg", 0, False),
    ("p50", "p50 ms", 2, False),
    ("p99", "p99 ms", 2, False),
    ("held", "held", 0, None),
    ("opened", "opened/s", 0, True),
    ("each", "KiB each", 1, False),
    ("queued", "queued", 0, None),
    ("without", "without/s", 0, None),
    ("unchanged", "with/without", 2, None),
    ("rate", "a second", 0, None),
    ("client_share", "client CPU %", 0, None),
]


def cell(values, decimals):
    """`median [least most]`; one figure where there is one round, or where all are alike."""
    if not values:
        return "-"
    texts = [f"{value:,.{decimals}f}" for value in (statistics.median(values), min(values), max(values))]
    return texts[0] if texts[1] == texts[2] else f"{texts[0]} [{texts[1]} {texts[2]}]"


def aligned(rows):
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) if index == 0 else text.rjust(width) for index, (text, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]


def table(results):
    """Lines for one scenario: a row a relay, only the columns that were measured."""
    columns = [column for column in COLUMNS if any(column[0] in figures for figures in results.values())]
    rows = [["", *(head for _, head, _, _ in columns)]]
    for name, figures in results.items():
        rows.append([name, *(cell(figures.get(key, []), decimals) for key, _, decimals, _ in columns)])
    return aligned(rows)


def ratios(results):
    """Lines: adieu's median over each other's, column by column."""
    adieu = results.get("adieu", {})
    columns = [column for column in COLUMNS if column[3] is not None and column[0] in adieu]
    rows = [["adieu /", *(head for _, head, _, _ in columns)]]
    for name, figures in results.items():
        if name != "adieu":
            rows.append([name, *(ratio(adieu[key], figures.get(key)) for key, _, _, _ in columns)])
    return aligned(rows) if len(rows) > 1 and columns else []


def ratio(ours, theirs):
    if not theirs or not statistics.median(theirs):
        return "-"
    return f"{statistics.median(ours) / statistics.median(theirs):.3g}"


def text(title, results):
    return "\n".join([f"== {title}", *table(results), "", *ratios(results), ""])


COLOURS = {"adieu": "#1b6ca8", "straight": "#9aa0a6"}
OTHERS = ["#d1495b", "#edae49", "#66a182", "#8d6a9f", "#5d576b"]
BAR, GAP, LEFT, WIDTH, HEAD = 18, 6, 100, 420, 44


def bars(results, key, title, x, y):
    """One chart: a bar a relay, as long as its median, with a line from least to most."""
    shown = [(name, figures[key]) for name, figures in results.items() if figures.get(key)]
    most = max((max(values) for _, values in shown), default=0) or 1
    scale = (WIDTH - LEFT - 90) / most
    out = [f'<text x="{x}" y="{y + 14}" font-weight="bold">{title}</text>']
    for index, (name, values) in enumerate(shown):
        top, middle = y + 24 + index * (BAR + GAP), statistics.median(values)
        colour = COLOURS.get(name) or OTHERS[sum(map(ord, name)) % len(OTHERS)]
        out += [f'<text x="{x + LEFT - 8}" y="{top + 13}" text-anchor="end">{name}</text>',
                f'<rect x="{x + LEFT}" y="{top}" width="{max(1, middle * scale):.1f}" height="{BAR}" fill="{colour}"/>',
                f'<line x1="{x + LEFT + min(values) * scale:.1f}" x2="{x + LEFT + max(values) * scale:.1f}" y1="{top + BAR / 2}" '
                f'y2="{top + BAR / 2}" stroke="#202124" stroke-width="2"/>',
                f'<text x="{x + LEFT + max(values) * scale + 6:.1f}" y="{top + 13}">{middle:,.4g}</text>']
    return out


def plot(all_results, titles):
    """The SVG of all scenarios: delivered/s and CPU a message side by side."""
    out, y = [], 10
    for scenario, results in all_results.items():
        out.append(f'<text x="10" y="{y + 18}" font-size="15" font-weight="bold">{scenario}: {titles[scenario]}</text>')
        for column, (key, title) in enumerate([("delivered", "delivered/s"), ("cpu", "CPU, µs a message")]):
            out += bars(results, key, title, 10 + column * WIDTH, y + 26)
        y += HEAD + 24 + len(results) * (BAR + GAP)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH + 20}" height="{y + 10}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(out)}</svg>\n')
