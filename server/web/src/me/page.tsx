/// How I am reached: my ways in the order in which they are used, each confirmed by a code, and this browser.
import { BellIcon, EnvelopeClosedIcon, MobileIcon, PhoneIcon, WrenchIcon } from "@navikt/aksel-icons";
import { Button, Select, TextField } from "@navikt/ds-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import { type MyWays, type Way, Refused, api } from "../api";
import { type AllWords, useLanguage, useRoomWords } from "../i18n";
import { Fetched, Notice, useTitle } from "../parts";
import { myWaysQuery } from "../queries";
import "./me.css";
import { type Push, browserName, state, subscribe, unsubscribe } from "./push";
import { offered } from "./waits";

const ICONS = { sms: MobileIcon, voice: PhoneIcon, email: EnvelopeClosedIcon, push: BellIcon, webhook: WrenchIcon };

export default function MePage() {
  const words = useRoomWords();
  const mine = useQuery(myWaysQuery);
  useTitle(words.me.title);
  return (
    <div className="page me">
      <div className="page-head">
        <h1>{words.me.title}</h1>
        <p className="lead">{words.me.lead}</p>
      </div>
      <Fetched query={mine}>
        {(data) => (
          <>
            <Ways mine={data} />
            {data.push_key && <ThisBrowser pushKey={data.push_key} ways={data.ways} />}
            <AddWay
              channels={data.channels.filter((one) => one !== "push")}
              minutes={offered(data.waits_below_s)}
            />
          </>
        )}
      </Fetched>
    </div>
  );
}

function Ways({ mine }: { mine: MyWays }) {
  const words = useRoomWords();
  const counts = mine.ways.some((way) => way.confirmed);
  return (
    <section aria-label={words.me.title}>
      {!counts && !mine.phone && (
        <Notice>
          <p>{words.me.unreachable}</p>
        </Notice>
      )}
      <ol className="ways">
        {!counts && mine.phone && (
          <li className="way">
            <MobileIcon aria-hidden />
            <div>
              <b>{mine.phone}</b>
              <p>
                {words.me.municipal}. {words.me.municipalWhat}
              </p>
            </div>
            <span className="way-wait">{words.me.waits(0)}</span>
          </li>
        )}
        {mine.ways.map((way) => (
          <WayRow key={way.id} way={way} offers={offered(mine.waits_below_s)} />
        ))}
      </ol>
    </section>
  );
}

/// What its owner knows it by.
const nameOf = (way: Way, words: AllWords): string => way.address || way.name || words.me.channel[way.channel];

function WayRow({ way, offers }: { way: Way; offers: number[] }) {
  const words = useRoomWords();
  const { said: language } = useLanguage();
  const act = useWayAct();
  const Icon = ICONS[way.channel];
  const name = nameOf(way, words);
  const minutes = way.after_s / 60;
  const remove = async () => {
    await api.removeWay(way.id);
    if (way.channel === "push" && way.name === browserName()) await unsubscribe().catch(() => undefined);
  };
  const test = async () => {
    await api.testWay(way.id, language);
  };
  return (
    <li className="way">
      <Icon aria-hidden />
      <div>
        <b>{name}</b>
        <p>{way.confirmed ? words.me.channel[way.channel] : words.me.unconfirmed}</p>
      </div>
      <Select
        size="small"
        className="way-wait"
        label={words.me.waitOf(name)}
        hideLabel
        value={String(minutes)}
        onChange={(event) => act.mutate({ does: () => api.changeWay(way.id, Number(event.target.value) * 60) })}
      >
        {[...new Set([...offers, minutes])]
          .sort((a, b) => a - b)
          .map((one) => (
            <option key={one} value={String(one)}>
              {words.me.waits(one)}
            </option>
          ))}
      </Select>
      <span className="way-acts">
        {way.confirmed && (
          <Button
            size="small"
            variant="secondary"
            loading={act.isPending}
            onClick={() => act.mutate({ does: test, done: words.me.sent(name) })}
          >
            {words.me.test}
            <span className="aksel-sr-only"> {name}</span>
          </Button>
        )}
        <Button
          size="small"
          variant="tertiary"
          data-color="neutral"
          onClick={() => act.mutate({ does: remove, done: words.me.removed(name) })}
        >
          {words.me.remove}
          <span className="aksel-sr-only"> {name}</span>
        </Button>
      </span>
      {!way.confirmed && <CodeForm way={way} name={name} />}
      {act.isSuccess && act.variables.done && <p className="way-said">{act.variables.done}</p>}
      <Failed error={act.error} />
    </li>
  );
}

function CodeForm({ way, name }: { way: Way; name: string }) {
  const words = useRoomWords();
  const { said: language } = useLanguage();
  const act = useWayAct();
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code")).trim();
    if (code) act.mutate({ does: () => api.confirmWay(way.id, code), done: words.me.confirmed(name), conflict: "code" });
  };
  const again = async () => {
    await api.sendWayCode(way.id, language);
  };
  return (
    <form className="way-code" onSubmit={send} noValidate>
      <TextField
        size="small"
        name="code"
        label={words.me.code(name)}
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={6}
      />
      <Button size="small" type="submit" loading={act.isPending}>
        {words.me.confirm}
      </Button>
      <Button
        size="small"
        type="button"
        variant="tertiary"
        onClick={() => act.mutate({ does: again, done: words.me.codeSent(name) })}
      >
        {words.me.newCode}
      </Button>
      <Failed error={act.error} conflict={act.variables?.conflict} />
    </form>
  );
}

function ThisBrowser({ pushKey, ways }: { pushKey: string; ways: Way[] }) {
  const words = useRoomWords();
  const act = useWayAct();
  const [now, setNow] = useState<Push | null>(null);
  useEffect(() => {
    void state().then(setNow);
  }, [ways]);
  const on = now === "on" && ways.some((way) => way.channel === "push");
  const turnOn = async () => {
    const subscription = await subscribe(pushKey);
    if (subscription) await api.addWay({ channel: "push", address: subscription, name: browserName(), after_s: 0, language: "nb" });
    setNow(await state());
  };
  return (
    <section className="me-card" aria-labelledby="here">
      <h2 id="here">{words.me.here}</h2>
      <p>{words.me.hereWhat}</p>
      {now === "unsupported" && <p className="hint">{words.me.hereCannot}</p>}
      {now === "denied" && <p className="hint">{words.me.hereDenied}</p>}
      {on && <p className="way-said">{words.me.hereIs}</p>}
      {(now === "off" || (now === "on" && !on)) && (
        <Button size="small" variant="secondary" loading={act.isPending} onClick={() => act.mutate({ does: turnOn })}>
          {words.me.hereOn}
        </Button>
      )}
      {act.error && !(act.error instanceof Refused) ? (
        <Notice>
          <p>{words.me.hereFailed}</p>
        </Notice>
      ) : (
        <Failed error={act.error} />
      )}
    </section>
  );
}

function AddWay({ channels, minutes }: { channels: Way["channel"][]; minutes: number[] }) {
  const words = useRoomWords();
  const { said: language } = useLanguage();
  const act = useWayAct();
  const [channel, choose] = useState<Way["channel"]>(channels[0] ?? "sms");
  const [missing, setMissing] = useState(false);
  if (channels.length === 0) return null;
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const said = new FormData(form);
    const address = String(said.get("address")).trim();
    setMissing(!address);
    if (!address) return;
    const after_s = Number(said.get("wait")) * 60;
    act.mutate(
      { does: () => api.addWay({ channel, address, name: "", after_s, language }), done: words.me.codeSent(address) },
      { onSuccess: () => form.reset() },
    );
  };
  return (
    <section className="me-card" aria-labelledby="add">
      <h2 id="add">{words.me.add}</h2>
      <form className="me-add" onSubmit={send} noValidate>
        <Select
          size="small"
          label={words.me.how}
          value={channel}
          onChange={(event) => choose(event.target.value as Way["channel"])}
        >
          {channels.map((one) => (
            <option key={one} value={one}>
              {words.me.channel[one]}
            </option>
          ))}
        </Select>
        <TextField
          size="small"
          name="address"
          label={words.me.address[channel]}
          error={missing && words.me.missing}
          autoComplete={channel === "email" ? "email" : channel === "webhook" ? "off" : "tel"}
        />
        <Select size="small" name="wait" label={words.me.wait}>
          {minutes.map((one) => (
            <option key={one} value={one}>
              {words.me.waits(one)}
            </option>
          ))}
        </Select>
        <Button size="small" type="submit" loading={act.isPending}>
          {words.me.addDo}
        </Button>
      </form>
      <Failed error={act.error} conflict="full" />
    </section>
  );
}

type Conflict = "code" | "full";

/// One deed about a way; `done` is said when it is, and what is shown is fetched anew either way.
function useWayAct() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ does }: { does: () => Promise<unknown>; done?: string; conflict?: Conflict }) => does(),
    networkMode: "always",
    onSuccess: (_, { done }) => done && say("polite", done),
    onSettled: () => queries.invalidateQueries({ queryKey: myWaysQuery.queryKey }),
  });
}

/// What went wrong, in the page's language: the server's own sentence is for programs.
function Failed({ error, conflict }: { error: unknown; conflict?: Conflict }): ReactNode {
  const words = useRoomWords();
  if (!error) return null;
  return (
    <Notice>
      <p>{sentence(error, words, conflict)}</p>
    </Notice>
  );
}

function sentence(error: unknown, words: AllWords, conflict?: Conflict): string {
  const status = error instanceof Refused ? error.status : 0;
  if (status === 409 && conflict === "code") return words.me.wrongCode;
  if (status === 409 && conflict === "full") return words.me.full;
  if (status === 422) return words.me.badAddress;
  return status === 502 ? words.me.notSent : explain(error, words);
}
