/// The server's clock, carried on between its words. All ages and waits are reckoned on it, never on this computer's
/// own calendar, which may be wrong, and which a simulation outruns.
import { useEffect, useState } from "react";

let serverMs = Date.now();
let heardMs = performance.now();
let speed = 1;

/// The server has said what time it is; `newSpeed` server seconds pass in one of the wall.
export function setClock(now_ms: number, newSpeed: number = speed): void {
  serverMs = now_ms;
  heardMs = performance.now();
  speed = newSpeed;
}

/// Milliseconds since 1970 on the server's clock.
export function nowMs(): number {
  return serverMs + (performance.now() - heardMs) * speed;
}

/// The server's time, renewed every `wallMs` of the wall.
export function useNow(wallMs = 1000): number {
  const [now, setNow] = useState(nowMs);
  useEffect(() => {
    const timer = setInterval(() => setNow(nowMs()), wallMs);
    return () => clearInterval(timer);
  }, [wallMs]);
  return now;
}
