/// A single reading in words.
import type { LatestReadings, Measured } from "../api";
import * as format from "../format";
import { shown } from "../questions";

/// "82 %".
export const value = (one: Measured, of: LatestReadings): string =>
  shown({ ...one, channel: of.channel, label: of.label, unit: of.unit });

/// "82 % 08:05", for a button or a dialog.
export const named = (one: Measured, of: LatestReadings, now: number): string =>
  `${value(one, of)} ${format.when(one.t_ms, now)}`;
