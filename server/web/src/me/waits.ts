/// How long a way may wait. A step of a ladder that goes on sooner would never use it, so the server refuses that; what
/// it refuses is not offered.

const MINUTES = [0, 1, 2, 3, 4, 5, 10, 15, 20, 30];

/// The waits to choose from, in minutes; `below_s` is the server's bound.
export const offered = (below_s: number): number[] => MINUTES.filter((one) => one * 60 < below_s);
