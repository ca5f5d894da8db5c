/// Changing who is on for a while: somebody else instead, or a swap between two colleagues.
import { Select, TextField, Textarea } from "@navikt/ds-react";
import { useState } from "react";
import type { User } from "../api";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Frame, text } from "../patient/dialogs";
import { type OnCall, type RosterView, type Stretch, ask, fromInput, toInput, useDo } from "./asks";
import { WhenField } from "./when";

const HOUR = 3_600_000;

interface DialogProps {
  page: OnCall;
  roster: RosterView;
  done: () => void;
}

/// Everybody on the roster's plan, as it is now.
const onPlan = (roster: RosterView): string[] => [
  ...new Set([...roster.now, ...roster.patterns.flatMap((one) => one.people), ...roster.fixed.map((one) => one.staff)]),
];

export function OverrideDialog({ page, roster, done }: DialogProps) {
  const words = useRoomWords();
  const act = useDo((body: Parameters<typeof ask.override>[1]) => ask.override(roster.id, body), ["oncall"], words.rota.saved);
  const send = (form: FormData) =>
    act.mutate(
      {
        out: text(form, "out") || null,
        into: text(form, "into") || null,
        from_ms: fromInput(text(form, "from")),
        to_ms: fromInput(text(form, "to")),
        why: text(form, "why"),
      },
      { onSuccess: done },
    );
  return (
    <Frame
      title={words.rota.oncall.overrideTitle(roster.name)}
      error={act.error}
      busy={act.isPending}
      submit={words.rota.save}
      onSubmit={send}
      done={done}
    >
      <div className="fields">
        <Select size="small" name="out" label={words.rota.oncall.out} defaultValue={roster.now[0] ?? ""}>
          <option value="">{words.rota.oncall.outNobody}</option>
          {onPlan(roster).map((id) => (
            <option key={id} value={id}>
              {page.called[id] ?? id}
            </option>
          ))}
        </Select>
        <Select size="small" name="into" label={words.rota.oncall.into} defaultValue="">
          <option value="">{words.rota.nobody}</option>
          {page.people
            .filter((one) => one.reachable && !one.locked)
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
        </Select>
        <WhenField type="datetime-local" name="from" label={words.rota.from} defaultValue={toInput(page.now_ms)} />
        <WhenField
          type="datetime-local"
          name="to"
          label={words.rota.to}
          defaultValue={toInput(roster.until_ms ?? page.now_ms + 8 * HOUR)}
        />
      </div>
      <TextField size="small" name="why" label={words.rota.oncall.why} maxLength={200} />
      <p className="hint">{words.rota.notPast}</p>
    </Frame>
  );
}

export function SwapDialog({ page, roster, shift, user, done }: DialogProps & { shift: Stretch; user: User }) {
  const words = useRoomWords();
  const colleagues = onPlan(roster).filter((id) => id !== user.id);
  const [of, setOf] = useState(colleagues[0] ?? "");
  const act = useDo((body: Parameters<typeof ask.swap>[1]) => ask.swap(roster.id, body), ["oncall"], words.rota.oncall.asked);
  const theirs = roster.stretches.filter((one) => one.staff.includes(of) && one.from_ms > page.now_ms);
  const send = (form: FormData) => {
    const back = theirs.find((one) => String(one.from_ms) === text(form, "back"));
    act.mutate(
      {
        asked_of: of,
        from_ms: shift.from_ms,
        to_ms: shift.to_ms,
        back_from_ms: back?.from_ms ?? null,
        back_to_ms: back?.to_ms ?? null,
        note: text(form, "note"),
      },
      { onSuccess: done },
    );
  };
  return (
    <Frame
      title={words.rota.oncall.swapTitle}
      error={act.error}
      busy={act.isPending}
      submit={words.rota.oncall.ask}
      onSubmit={send}
      done={done}
    >
      <p>{words.rota.oncall.swapWhat(format.dateTime(shift.from_ms), format.dateTime(shift.to_ms))}</p>
      <div className="fields">
        <Select size="small" label={words.rota.oncall.askedOf} value={of} onChange={(event) => setOf(event.target.value)}>
          {colleagues.map((id) => (
            <option key={id} value={id}>
              {page.called[id] ?? id}
            </option>
          ))}
        </Select>
        <Select size="small" name="back" label={words.rota.oncall.back} defaultValue="">
          <option value="">{words.rota.oncall.backNothing}</option>
          {theirs.map((one) => (
            <option key={one.from_ms} value={String(one.from_ms)}>
              {words.rota.oncall.gap(format.dateTime(one.from_ms), format.dateTime(one.to_ms))}
            </option>
          ))}
        </Select>
      </div>
      <Textarea size="small" name="note" label={words.rota.oncall.note} maxLength={200} minRows={2} />
    </Frame>
  );
}
