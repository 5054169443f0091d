#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (judges::targets::of("rtp_forward").run)(data);
});
