// Charts by uPlot, which is fetched when the first one is shown.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { AlignedData, Options, Series } from "uplot";
import type UPlotType from "uplot";

export interface Line {
  label: string;
  values: readonly (number | null)[];
  colour: string; // a custom property of the style sheet: "--accent"
  dash?: boolean;
  fill?: boolean;
  steps?: boolean;
  percent?: boolean;
  thin?: boolean;
}

interface Props {
  title: string; // what it shows, for who does not see it
  at: readonly number[]; // Unix seconds
  lines: readonly Line[];
  height?: number;
  summary?: string; // what it says, in words
  onPick?: (index: number) => void;
  time?: boolean; // false: `at` are plain numbers
  band?: readonly [number, number]; // the lines that bound it: above, below
}

let loaded: Promise<typeof UPlotType> | null = null;

function load(): Promise<typeof UPlotType> {
  loaded ??= Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([module]) => module.default);
  return loaded;
}

const clockOf = (at: number, seconds = false) =>
  new Date(at * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: seconds || at % 60 ? "2-digit" : undefined });

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({ title, at, lines, height = 220, summary = "", onPick, time = true, band }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlotType | null>(null);
  const pick = useRef(onPick);
  pick.current = onPick;
  const shape = lines.map((line) => line.label).join("|");

  useEffect(() => {
    let gone = false;
    void load().then((UPlot) => {
      if (gone || !box.current) return;
      const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui" };
      const series: Series[] = lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        fill: line.fill ? `${colour(line.colour)}22` : undefined,
        width: line.thin ? 1 : 2,
        dash: line.dash ? [6, 4] : undefined,
        paths: line.steps ? UPlot.paths.stepped?.({ align: 1 }) : undefined,
        points: { show: false },
        value: (_plot: unknown, value: number | null) => (value == null ? "–" : line.percent ? `${(100 * value).toFixed(2)} %` : String(Math.round(value * 100) / 100)),
      }));
      const options: Options = {
        width: Math.max(240, box.current.clientWidth),
        height,
        scales: { x: { time } },
        axes: [time ? { ...axis, space: 84, values: (_plot, ticks) => ticks.map((tick) => clockOf(tick)) } : axis, { ...axis, size: 48, values: lines.every((line) => line.percent) ? (_plot, ticks) => ticks.map((tick) => `${Math.round(1000 * tick) / 10} %`) : undefined }],
        series: [time ? { value: (_plot: unknown, at: number | null) => (at == null ? "–" : clockOf(at, true)) } : {}, ...series],
        bands: band && [{ series: [band[0] + 1, band[1] + 1], fill: `${colour("--accent")}1f` }],
        cursor: { drag: { x: true, y: false } },
        legend: { live: true },
      };
      plot.current = new UPlot(options, data(), box.current);
      plot.current.over.addEventListener("click", () => {
        const index = plot.current?.cursor.idx;
        if (index != null) pick.current?.(index);
      });
    });
    const resize = new ResizeObserver(() => {
      if (plot.current && box.current) plot.current.setSize({ width: Math.max(240, box.current.clientWidth), height });
    });
    if (box.current) resize.observe(box.current);
    return () => {
      gone = true;
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  function data(): AlignedData {
    return [at, ...lines.map((line) => line.values)] as unknown as AlignedData;
  }
  useEffect(() => plot.current?.setData(data()), [at, lines]);

  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong> {summary && <span class="soft">{summary}</span>}
      </figcaption>
      <div ref={box} role="img" aria-label={`${title}. ${summary}`} style={undefined} />
    </figure>
  );
}
