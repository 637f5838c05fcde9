/* A clip: progress while it is described, a timeline of activities and of what is followed, and any frame of it. */
(() => {
  const D = window.describer;
  const { h, s } = D;
  const RATES = [["0.5", "a frame every two seconds"], ["1", "a frame a second"], ["2", "two frames a second"], ["5", "five frames a second"]];
  const FILES = [["srt", "Subtitles .srt"], ["vtt", "Subtitles .vtt"], ["native", "Annotation JSONL"], ["coco", "Annotation COCO"]];
  const FIRST =
    "Drop a clip of an operation. Its frames are described one after another and its instruments followed; you get a " +
    "timeline to scrub through, subtitles and the annotation. Nothing is kept here.";
  const ROW_PX = 26;
  const WIDTH = 1000;

  const clock = (seconds, digits = 0) => {
    const rest = (seconds % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    return `${Math.floor(seconds / 60)}:${rest}`;
  };

  D.still = (element, { props, watch }) => {
    watch("value", () => {
      D.frameOfClip = props.value;
      D.tell("still");
    });
  };

  D.clip = (element, { props, watch, trigger, upload }) => {
    let index = 0;
    const rate = h("select", { id: "rate", "aria-label": "Frames to describe" }, RATES.map(([value, words]) => h("option", { value, selected: value === "1" }, words)));
    const took = async (file) => {
      D.message("busy", `Sending ${file.name}`);
      try {
        const sent = await D.send(upload, file, props.upload_mb);
        D.message("busy", "");
        index = 0;
        trigger("video", { ...sent, fps: Number(rate.value) });
      } catch (error) {
        D.message("error", error.message || `${file.name} could not be sent; it may be too large.`);
      }
    };
    const zone = D.dropZone("Drop or choose a video", "video/*,.mkv,.avi,.mts,.m2ts,.ts,.wmv", took);
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Frames described" });
    const said = h("span", { class: "hint" });
    const stop = h("button", { type: "button", id: "stop-clip", onclick: () => trigger("stop", {}) }, "Stop");
    const progress = h("div", { class: "progress", hidden: true, role: "status" }, bar, said, stop);
    const note = h("p", { class: "warning", role: "alert", hidden: true });
    const stage = D.stage(null);
    const holder = h("div", { class: "frame-holder" }, stage.svg);
    const slider = h("input", { type: "range", min: 0, max: 0, value: 0, id: "scrub", "aria-label": "Frame of the clip" });
    const time = h("output", { class: "time" });
    const lines = h("div", { class: "clip-text" });
    const timeline = h("div", { class: "timeline" });
    const files = h("div", { class: "buttons", role: "group", "aria-label": "Take along" }, FILES.map(([kind, words]) => h("button", { type: "button", id: `clip-${kind}`, onclick: () => trigger("take", { kind }) }, words)));
    const left = h("div", {}, holder, h("div", { class: "scrub" }, slider, time), timeline, files);
    const shown = h("div", { class: "clip-shown", hidden: true }, left, lines);
    const settings = h("div", { class: "line" }, h("label", { for: "rate" }, "Describe"), rate);
    const first = h("p", { class: "hint" }, FIRST);
    element.replaceChildren(h("div", { class: "clip" }, zone, settings, first, progress, note, shown));

    const seek = (to) => {
      index = to;
      slider.value = to;
      cursor();
      trigger("seek", { index: to });
    };
    slider.addEventListener("input", () => seek(Number(slider.value)));

    const x = (frame) => (frame / Math.max(props.value.times_s.length, 1)) * WIDTH;
    const cursor = () => timeline.querySelectorAll(".now").forEach((line) => line.setAttribute("x", x(index)));

    const draw = () => {
      const clip = props.value;
      const some = Boolean(clip && clip.times_s && clip.times_s.length);
      first.hidden = Boolean(clip);
      progress.hidden = !clip || clip.finished;
      shown.hidden = !some;
      note.hidden = !(clip && clip.note);
      note.textContent = clip ? clip.note : "";
      if (!clip) return;
      bar.max = Math.max(clip.total, 1);
      bar.value = clip.times_s.length;
      const left = clip.left_s === null ? "" : `, about ${clock(clip.left_s)} left`;
      said.textContent = `${clip.times_s.length} of ${clip.total} frames${left}`;
      files.hidden = !some;
      if (!some) return;
      slider.max = clip.times_s.length - 1;
      slider.value = index;
      timeline.replaceChildren(...clip.rows.map(row));
      cursor();
      if (!D.frameOfClip || clip.times_s.length <= 2) seek(index);
    };

    function row(entry) {
      const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${ROW_PX}`, preserveAspectRatio: "none", role: "img", "aria-label": says(entry) });
      for (const stretch of entry.stretches) {
        const colour = entry.colour || shade(stretch.label);
        const size = { x: x(stretch.first), y: 3, width: x(stretch.last + 1) - x(stretch.first), height: ROW_PX - 6 };
        svg.append(s("rect", { ...size, style: `--region:${colour}`, onclick: () => seek(stretch.first) }, s("title", {}, stretch.label)));
      }
      svg.append(s("rect", { class: "now", x: 0, y: 0, width: 2, height: ROW_PX }));
      const names = entry.colour ? [] : entry.stretches.map((stretch) => h("span", { class: "stretch", style: `left:${x(stretch.first) / 10}%;width:${(x(stretch.last + 1) - x(stretch.first)) / 10}%`, title: stretch.label }, stretch.label));
      return h("div", { class: "track" }, h("span", { class: "title", title: entry.title }, entry.title), h("div", { class: "band" }, svg, names));
    }
    const says = (entry) => `${entry.title}: ` + entry.stretches.map((part) => `${part.label} from ${clock(props.value.times_s[part.first])} to ${clock(props.value.times_s[part.last])}`).join(", ");
    /* Activities differ in lightness, and their names stand on them. */
    const seen = [];
    const shade = (label) => {
      if (!seen.includes(label)) seen.push(label);
      return ["#8fb8de", "#e3c770", "#9fcfb4", "#d9a3b8", "#c4c4c4", "#b3a5da"][seen.indexOf(label) % 6];
    };

    D.on("still", () => {
      const still = D.frameOfClip;
      if (!still || !still.view) return;
      stage.draw(still.view, still.picture, null);
      time.textContent = still.time_s === null ? `frame ${still.index + 1}` : clock(still.time_s, 1);
      lines.replaceChildren(
        h("p", {}, h("strong", {}, still.said.join(" · "))),
        h("p", {}, D.sentence(still.view.summary.parts, still.view)),
        h("ul", {}, still.view.regions.map((region) => h("li", {}, D.badge(region), " ", D.sentence(region.parts, still.view))))
      );
    });
    watch("value", draw);
    draw();
  };
})();
