#!/usr/bin/env bash
# Writes docs/reference/ from the program itself, so that no page says what the program does not.
# usage: tools/reference.sh [FOLDER-OF-PROGRAMS]
# The page of attempts runs `carapace doctor --prove` and needs a machine that can confine.
set -eu -o pipefail
cd "$(dirname "$0")/.."

programs=${1:-}
if [ -z "$programs" ]; then
    host=$(rustc -vV | sed -n 's/^host: //p')
    for folder in "target/$host/release" "target/$host/debug"; do
        if [ -x "$folder/carapace" ]; then programs=$folder; break; fi
    done
fi
if [ ! -x "$programs/carapace" ]; then
    echo "no programs found; run \`make build\`, or name their folder: tools/reference.sh FOLDER" >&2
    exit 1
fi
carapace=$(cd "$programs" && pwd)/carapace
out=docs/reference
mkdir -p "$out"

# A home of its own, with a short path; whatever happens it is stopped and removed.
home=$(mktemp -d /tmp/carapace-ref.XXXXXX)
chmod 700 "$home"
finish() { "$carapace" --home "$home" stop >/dev/null 2>&1 || true; rm -rf "$home"; }
trap finish EXIT

written='<!-- Written by tools/reference.sh from the program itself. Do not edit. -->'
block() { printf '```%s\n' "${1:-}"; sed 's/[[:space:]]*$//'; printf '```\n'; }
# COLUMNS fixes the width of help texts.
help() { COLUMNS=100 "$carapace" "$@" --help; }
subcommands() { help "$@" | awk '/^Commands:/{on=1;next} /^[^ ]/{on=0} on && /^  [a-z]/{print $1}' | grep -vx help || true; }

# The command line, one section per subcommand.
{
    printf '# The command line\n\n%s\n\n' "$written"
    help | block text
    for one in $(subcommands); do
        printf '\n## carapace %s\n\n' "$one"
        help "$one" | block text
        for two in $(subcommands "$one"); do
            printf '\n### carapace %s %s\n\n' "$one" "$two"
            help "$one" "$two" | block text
        done
    done
} > "$out/command-line.md"

# The configuration.
{
    printf '# config.toml\n\n%s\n\nWhat a fresh home gets: every key with its default. The guide is [configuration](../guide/configuration.md).\n\n' "$written"
    "$carapace" --home "$home" config show --defaults | block toml
} > "$out/config.md"

"$carapace" --home "$home" start >/dev/null

# The tools, with a fresh home's grants.
{
    printf '# Tools\n\n%s\n\nWhat the assistant may ask for, and what a fresh home does without a question.\n\n' "$written"
    "$carapace" --home "$home" tools | block text
} > "$out/tools.md"

# The offline language, in its own words.
{
    printf '# The offline language\n\n%s\n\nWhat carapace says to `help` without a model. One request for each thing it understands; each has many other forms.\n\n' "$written"
    "$carapace" --home "$home" chat help </dev/null 2>/dev/null | block text
} > "$out/offline.md"

# The attempts of the proof: what is tried and what is expected, not how one run ended.
if ! command -v python3 >/dev/null; then
    echo "python3 is missing: $out/attempts.md was not written" >&2
    exit 1
fi
# A breach does not stop the list; it is the proof's to report.
"$carapace" --home "$home" doctor --prove --json > "$home/proof.json" || true
python3 - "$home/proof.json" "$written" > "$out/attempts.md" <<'PYTHON'
import json, sys

proof = json.load(open(sys.argv[1]))
rows = {}
for entry in proof["results"]:
    row = rows.setdefault((entry["class"], entry["id"]), {"what": entry["attempt"]})
    row[entry["profile"]] = entry["expected"]
    row["control"] = "not run: " + entry["control"].split(":", 1)[1].strip() if entry["control"].startswith("not_run") else "run"
cell = lambda text: text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
print("# The attempts of the proof\n")
print(sys.argv[2] + "\n")
print(f"The {len(rows)} attempts that `carapace doctor --prove` makes from inside a mind's cage and from inside hands', and what is")
print("expected there. The last column says whether the same is tried without a cage, and if not, why not.")
classes = []
for group, _ in rows:
    if group not in classes:
        classes.append(group)
for group in classes:
    print(f"\n## {group}\n\n| id | attempt | mind | hands | without a cage |\n|---|---|---|---|---|")
    for (own, name), row in rows.items():
        if own == group:
            print(f"| `{name}` | {cell(row['what'])} | {cell(row.get('worker', ''))} | {cell(row.get('hands', ''))} | {cell(row['control'])} |")
PYTHON

cat > "$out/README.md" <<PAGE
# Reference

$written

- [The command line](command-line.md): every subcommand with its options and examples
- [config.toml](config.md): every key with its default
- [Tools](tools.md): what the assistant may ask for
- [The offline language](offline.md): what is understood without a model
- [The attempts of the proof](attempts.md): what \`doctor --prove\` tries
PAGE
echo "written to $out"
