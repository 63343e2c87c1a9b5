-- channel=jobreg
SELECT pg_notify('jobreg'::VARCHAR, ''::VARCHAR) AS pg_notify_1;
