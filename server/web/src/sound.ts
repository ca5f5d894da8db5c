/// Alarm sounds made on the spot, in the manner of IEC 60601-1-8: five rising tones for high, three for medium, two
/// for low. Off until somebody turns them on. A browser keeps a page silent until it has been touched, and then this
/// says `blocked` rather than `on`.
import { useEffect, useState } from "react";
import type { Priority } from "./api";
import { useRemembered } from "./remember";

const PATTERN: Record<Priority, { hz: number[]; step_s: number }> = {
  high: { hz: [523, 659, 784, 659, 880], step_s: 0.19 },
  medium: { hz: [523, 659, 784], step_s: 0.28 },
  low: { hz: [659, 523], step_s: 0.36 },
};

let audio: AudioContext | null = null;

async function ready(): Promise<boolean> {
  audio ??= new AudioContext();
  // resume() may stay pending for ever where sound is blocked, so it is asked for but not waited for.
  if (audio.state === "suspended") void audio.resume();
  await new Promise((done) => setTimeout(done, 50));
  return audio.state === "running";
}

export async function play(priority: Priority): Promise<void> {
  if (!(await ready()) || !audio) return;
  const { hz, step_s } = PATTERN[priority];
  hz.forEach((frequency, i) => {
    if (!audio) return;
    const at = audio.currentTime + 0.02 + i * step_s;
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = frequency;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.25, at + 0.02);
    loud.gain.setValueAtTime(0.25, at + step_s * 0.6);
    loud.gain.linearRampToValueAtTime(0, at + step_s * 0.85);
    tone.connect(loud).connect(audio.destination);
    tone.start(at);
    tone.stop(at + step_s);
  });
}

export type Sound = "off" | "on" | "blocked";

/// The state of the sound, and the switch.
export function useSound(): { sound: Sound; toggle: () => void; turn: (wanted: "off" | "on") => void } {
  const [wanted, want] = useRemembered("hjemvakt.sound", ["off", "on"], "off");
  const [running, setRunning] = useState(false);
  useEffect(() => {
    if (wanted === "off") return;
    void ready().then(setRunning);
    // A call, another program or the system may take the sound away, and nobody must believe that it is on.
    const told = () => setRunning(audio?.state === "running");
    audio?.addEventListener("statechange", told);
    return () => audio?.removeEventListener("statechange", told);
  }, [wanted]);
  const turn = (next: "off" | "on") => {
    want(next);
    if (next === "on") void ready().then(setRunning);
  };
  const toggle = () => turn(wanted === "on" && running ? "off" : "on");
  return { sound: wanted === "off" ? "off" : running ? "on" : "blocked", toggle, turn };
}
