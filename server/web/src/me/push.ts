/// This browser as a way to be reached: whether it can be, whether it is, and how it is asked.
export type Push = "unsupported" | "denied" | "off" | "on";

const WORKER = "/push.js";

export const supported = (): boolean =>
  "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

export async function state(): Promise<Push> {
  if (!supported()) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  const registered = await navigator.serviceWorker.getRegistration(WORKER);
  return (await registered?.pushManager.getSubscription()) ? "on" : "off";
}

/// Ask the person and their browser; the subscription as JSON, or null where they said no.
export async function subscribe(key: string): Promise<string | null> {
  if ((await Notification.requestPermission()) !== "granted") return null;
  const registered = await navigator.serviceWorker.register(WORKER);
  await navigator.serviceWorker.ready;
  const subscription = await registered.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  return JSON.stringify(subscription);
}

/// The browser forgets it; the server finds that out, or is told beside this.
export async function unsubscribe(): Promise<void> {
  const registered = await navigator.serviceWorker.getRegistration(WORKER);
  const subscription = await registered?.pushManager.getSubscription();
  await subscription?.unsubscribe();
}

/// What its owner may know this browser by: `Firefox, Windows`.
export function browserName(agent: string = navigator.userAgent): string {
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
      ? "Firefox"
      : /Chrome\//.test(agent)
        ? "Chrome"
        : /Safari\//.test(agent)
          ? "Safari"
          : "";
  const machine = /(iPhone|iPad|Android|Windows|Macintosh|Linux)/.exec(agent)?.[1] ?? "";
  return [browser, machine === "Macintosh" ? "Mac" : machine].filter(Boolean).join(", ");
}
