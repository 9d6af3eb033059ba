"""A page for one written question: all answers side by side, and a place to enter their points."""

import html
import json

STYLE = """
body { font: 16px/1.5 sans-serif; margin: 2em; color: #222 }
pre { white-space: pre-wrap; font: inherit; margin: 0 }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(22em, 1fr)); gap: 1em }
article { border: 1px solid #bbb; border-radius: 6px; padding: 1em }
article.none { color: #888 }
h2 { font-size: 1em; margin: 0 0 .5em }
input { width: 5em; font: inherit }
"""

SCRIPT = """
const inputs = [...document.querySelectorAll("input")];
const quoted = text => '"' + text.replaceAll('"', '""') + '"';
function left() {
  document.getElementById("left").textContent = inputs.filter(input => input.value === "").length + " without points";
}
for (const input of inputs) {
  const key = location.pathname + "/" + input.dataset.student;
  try { input.value ||= localStorage.getItem(key) || ""; } catch {}
  input.oninput = () => { try { localStorage.setItem(key, input.value); } catch {} left(); };
}
document.getElementById("save").onclick = () => {
  const rows = inputs.filter(input => input.value !== "")
    .map(input => [input.dataset.student, QUESTION, input.value].map(quoted).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["student,question,points\\n" + rows.join("\\n") + "\\n"]));
  link.download = "points-" + QUESTION + ".csv";
  link.click();
};
left();
"""


def page(question: str, text: str, of: float, answers: dict[str, str], points: dict[str, float | None]) -> str:
    """Return the page of a question.

    Parameters
    ----------
    question : str
        Its name.
    text : str
        What was asked.
    of : float
        How many points it gives.
    answers : dict
        By student.
    points : dict
        Those that were entered before, by student; None if there are none.
    """
    articles = []
    for student, answer in answers.items():
        empty = answer.strip() in ("", "YOUR ANSWER HERE")
        given = points.get(student)
        value = "" if given is None else f"{given:g}"
        shown = "(no answer)" if empty else answer
        articles.append(
            f'<article class="{"none" if empty else "answer"}"><h2>{html.escape(student)}</h2>'
            f"<pre>{html.escape(shown)}</pre>"
            f'<p><label>Points <input type="number" min="0" max="{of:g}" step="0.5" value="{value}" '
            f'data-student="{html.escape(student, quote=True)}"> of {of:g}</label></p></article>'
        )
    how = f"Save them into the folder of this page, as points-{question}.csv; mark.py --out FOLDER then adds them up."
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(question)}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{html.escape(question)}</h1>\n<pre>{html.escape(text)}</pre>\n"
        f'<p><button id="save">Save the points</button> <span id="left"></span>. {html.escape(how)}</p>\n'
        f"<main>\n{chr(10).join(articles)}\n</main>\n"
        f"<script>const QUESTION = {json.dumps(question)};{SCRIPT}</script></html>\n"
    )
