/// The fake phones: what would have lit up in whose pocket, newest first. Nothing leaves from here.
import { MobileIcon, PhoneIcon } from "@navikt/aksel-icons";
import { useQuery } from "@tanstack/react-query";
import type { PhoneMessage } from "../api";
import { useNow } from "../clock";
import * as format from "../format";
import { useWords } from "../i18n";
import { Fetched, useTitle } from "../parts";
import { phoneQuery } from "../queries";
import { phones } from "./phones";

export default function PhonePage() {
  const words = useWords();
  const messages = useQuery(phoneQuery);
  const now = useNow();
  useTitle(words.phones.title);
  return (
    <div className="page phones">
      <div className="page-head">
        <h1>{words.phones.title}</h1>
        <p className="lead">{words.phones.lead}</p>
      </div>
      <Fetched query={messages}>
        {(all) => (
          <>
            {all.length === 0 && <p className="none">{words.phones.none}</p>}
            <div className="phone-shelf">
              {phones(all).map(({ to, newestFirst }) => (
                <Phone key={to} to={to} newestFirst={newestFirst} now={now} />
              ))}
            </div>
          </>
        )}
      </Fetched>
    </div>
  );
}

function Phone({ to, newestFirst, now }: { to: string; newestFirst: PhoneMessage[]; now: number }) {
  const words = useWords();
  return (
    <section className="phone" aria-label={words.phones.of(to)}>
      <h2>
        {to} <span>{newestFirst[0] && words.role[newestFirst[0].role]}</span>
      </h2>
      <p className="hint">{words.phones.messages(newestFirst.length)}</p>
      {/* Scrolls by itself, so it must be reachable by keyboard. */}
      <ol tabIndex={0} aria-label={words.phones.of(to)}>
        {newestFirst.map((message) => (
          <li key={message.id}>
            <p className="phone-meta">
              {message.channel === "call" ? <PhoneIcon aria-hidden /> : <MobileIcon aria-hidden />}
              <span>{words.phones.channel[message.channel] ?? message.channel}</span>
              <time>{format.when(message.t_ms, now)}</time>
            </p>
            <p>{message.text}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}
