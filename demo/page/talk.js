/* Questions about the frame: a log, the regions each answer rests on, and questions that fit the scene. */
(() => {
  const D = window.describer;
  const { h } = D;

  D.talk = (element, { props, watch, trigger }) => {
    const log = h("div", { class: "log", role: "log", "aria-live": "polite", tabindex: 0, "aria-label": "Questions and answers" });
    const examples = h("div", { class: "suggestions", role: "group", "aria-label": "Example questions" });
    const field = h("input", { id: "question", maxlength: props.question_chars, placeholder: "Ask about the frame", "aria-label": "Your question", autocomplete: "off" });
    const about = h("label", { class: "about", hidden: true });
    const only = h("input", { type: "checkbox" });
    const send = h("button", { type: "submit", class: "primary" }, "Ask");
    const ask = (question) => {
      if (!question.trim()) return;
      trigger("ask", { question, region: only.checked && !about.hidden ? D.selected : null });
      field.value = "";
    };
    const form = h("form", { onsubmit: (event) => (event.preventDefault(), ask(field.value)) }, field, send);
    const root = h("div", { class: "talk", hidden: true }, h("h2", {}, "Ask"), log, examples, about, form);
    element.replaceChildren(root);

    const chips = (turn) =>
      turn.regions.map((id) => {
        const region = D.region(id);
        const words = region ? `${id} ${region.label}` : String(id);
        const attributes = { type: "button", class: "chip", style: region ? `--region:${region.colour}` : "", onclick: () => D.selected !== id && D.select(id), ...D.lights(id) };
        return h("button", attributes, words);
      });

    const draw = () => {
      const said = props.value || { turns: [], examples: [] };
      log.replaceChildren();
      for (const turn of said.turns) {
        const answer = h("p", { class: "answer" + (turn.abstained ? " abstained" : "") }, D.sentence(turn.parts));
        if (turn.pending) answer.append(h("span", { class: "writing" }, turn.parts.length ? " …" : "Thinking …"));
        const evidence = turn.regions.length ? h("p", { class: "evidence" }, "Seen in ", chips(turn)) : null;
        const sure = turn.sure ? h("small", {}, [turn.sure, turn.note].filter(Boolean).join(". ")) : null;
        log.append(h("div", { class: "turn" }, h("p", { class: "question" }, turn.question), answer, evidence, sure));
      }
      log.scrollTop = log.scrollHeight;
      examples.replaceChildren(
        ...(said.examples || []).map((question) => h("button", { type: "button", onclick: () => ask(question) }, question))
      );
      root.hidden = !D.view;
    };
    const look = () => {
      const region = D.region(D.selected);
      about.hidden = !region;
      if (region) about.replaceChildren(only, ` only about region ${region.id}, ${region.label}`);
    };
    watch("value", draw);
    D.on("regions", draw);
    D.on("look", look);
    draw();
  };
})();
