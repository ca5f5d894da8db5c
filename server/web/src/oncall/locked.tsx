/// Who is on and whose account is locked: the ladder passes them by.
import { PadlockLockedFillIcon } from "@navikt/aksel-icons";
import { useRoomWords } from "../i18n";

export function Locked({ names }: { names: string[] }) {
  const words = useRoomWords();
  if (names.length === 0) return null;
  return (
    <p className="locked">
      <PadlockLockedFillIcon aria-hidden /> <b>{words.rota.oncall.locked(names.join(", "))}</b>{" "}
      {words.rota.oncall.lockedWhat}
    </p>
  );
}
