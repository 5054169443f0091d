/** Every bound and period of the engine, milliseconds unless the name says otherwise. */

/** One tick while something is watched: media, a microphone's level, a lost connection. */
export const BUSY_TICK_MS = 100;
/** One tick otherwise: a patient's phone waits for an hour on battery. */
export const QUIET_TICK_MS = 1_000;

/** Receive slots: how many others can be heard and seen without negotiating anew. */
export const SLOTS = 3;

/**
 * No packet and no pulse for this long while packets were flowing: the path is stalled. With the tick that
 * begins it and the tick that ends it, half a second.
 */
export const STALL_FLOWING_MS = 400;
/** The same while only pulses come, five a second: one may be lost, not two. */
export const STALL_PULSES_MS = 600;
/** Packets were flowing if the last one came so short a time before the silence. */
export const FLOWING_MS = 1_000;
/**
 * A stall so soon after the one before hints at a machine that is too busy, or a path that stutters: then a
 * new connection makes it worse, so each such stall doubles the silence that the next one takes.
 */
export const STALL_AGAIN_MS = 30_000;
/** How many times as long at most. */
export const STALL_MAX_PATIENCE = 8;
/** The same where a pulse comes once a second, in a warm seat: three in a row are missing. */
export const STALL_IDLE_MS = 3_500;
/**
 * The same where reports are all that comes, three seconds apart at most: two in a row are missing. The browser's own
 * checks of the path notice about as soon.
 */
export const STALL_QUIET_MS = 6_500;
/**
 * So many quick pulses after we said that we count bytes, we say it again: what the channel loses is lost.
 * Five seconds among the muted. A server that knows nothing of it passes over it.
 */
export const SAY_COUNTS_EVERY = 25;
/** From this silence on, the transport's own counters are asked, which costs more than a glance. */
export const STALL_DOUBT_MS = 200;
/** The most that one tick may add to the silence: a page that was frozen heard nothing either way. */
export const STALL_STEP_MS = 200;

/** A new media connection that is not up by then is given up, and another is tried. */
export const CONNECT_WITHIN_MS = 8_000;
/** Later attempts get longer, up to this: the server gives up on a session of its own at that age. */
export const CONNECT_WITHIN_MAX_MS = 15_000;
/** An ICE restart that brought nothing by then is followed by a new connection. */
export const RESTART_WITHIN_MS = 2_000;
/** First and longest pause between media connections. */
export const MEDIA_BACKOFF_MS = 250;
export const MEDIA_BACKOFF_MAX_MS = 8_000;
/** So many media connections failed in a row: say so, and go on trying. */
export const FAILED_AFTER = 3;
/** The media connection is closed this long after nobody wishes for it: between two views it may be wished again. */
export const LINGER_MS = 1_000;
/** A "your session is gone" this soon after a new connection speaks of the one it replaced. */
export const FRESH_MS = 2_000;

/** Statistics are read this often, and with every tick until the first picture is there. */
export const STATS_MS = 1_000;
export const STATS_FIRST_MS = 100;
/** Statistics that take longer are asked for again. */
export const STATS_WITHIN_MS = 5_000;
/** For how long the first picture is looked for that often. */
export const FIRST_PICTURE_MS = 10_000;
/** No frame decoded for this long: there is no picture. */
export const PICTURE_MS = 2_000;
/** Levels move this often, and in steps of 1/20, so that pages are not drawn anew for nothing. */
export const LEVEL_STEPS = 20;

/** A microphone that gives nothing but zeros for this long is muted in hardware. */
export const SILENT_MICROPHONE_MS = 5_000;
/**
 * A microphone is open, and for this long not one packet of it has left, not even silence: the browser's capture
 * has died, and the microphone is opened anew. Once in the longer time, because it may not help.
 */
export const VOICELESS_MS = 4_000;
export const VOICELESS_AGAIN_MS = 30_000;
/** Device health is told to the server once it has been still for this long. */
export const HEALTH_SETTLE_MS = 500;
/** A granted share that is not in the view by then was lost. */
export const SHARE_WITHIN_MS = 5_000;
/** Exchanging the link may take this long. */
export const EXCHANGE_WITHIN_MS = 8_000;

/** Camera at 720p30 for a consultation of two, bit/s. */
export const CAMERA_BITRATE = 1_500_000;
/** Screen, bit/s: text stays legible, frames are given up first. */
export const SCREEN_BITRATE = 2_500_000;
/** Where the camera's encoder starts; without the hint the first seconds are a blur. kbit/s */
export const START_KBPS = 1_000;

/** How long the list of who opened a visit may take. Then the page says that it cannot be had now. */
export const ACCESS_WITHIN_MS = 8_000;
