// A motion that plays with its sound: where it is, and which rounds begin. Nothing here needs the engine, so that it is tested without one.

#pragma once

#include <cmath>
#include <cstddef>

namespace Avatar3D
{
	/** What becomes of the sound within one step. */
	enum class ESound
	{
		AsItWas,
		Begins,
		Ends
	};

	/** A motion and its sound, of which the sound is heard while Playback drives the head, and begins anew with each round. */
	class FPlayback
	{
	public:
		/** Begin at the beginning; the sound begins with the next step. */
		void Play()
		{
			bPlaying = true;
			bSounding = false;
		}

		/** Stay where it is. The caller silences the sound. */
		void Stop()
		{
			bPlaying = bSounding = false;
		}

		/**
		 * Go on. Where the sound begins, it does so at Time.
		 * @param bDrives Whether Playback is what moves the head.
		 * @param Delta Seconds that have passed.
		 * @param Length Seconds of a round; 0 where there is no motion.
		 * @param bLoops Whether rounds follow each other.
		 * @param Time Seconds of the motion, which go on.
		 */
		ESound Step(bool bDrives, float Delta, double Length, bool bLoops, float& Time)
		{
			const bool bShallSound = bPlaying && bDrives;
			bool bAnew = bShallSound && !bSounding;
			if (bShallSound)
			{
				Time += Delta;
				if (bLoops && Length > 0 && Time >= Length)
				{
					Time = static_cast<float>(std::fmod(static_cast<double>(Time), Length));
					bAnew = true;
				}
			}
			const bool bEnds = bSounding && !bShallSound;
			bSounding = bShallSound;
			return bAnew ? ESound::Begins : bEnds ? ESound::Ends : ESound::AsItWas;
		}

	private:
		bool bPlaying = false;
		bool bSounding = false;
	};

	/** Which of Count samples is heard at Time; Count where the sound is over. */
	inline std::size_t SampleAt(float Time, double Rate, std::size_t Count)
	{
		const double Place = static_cast<double>(Time) * Rate;
		// What is not a number, or before the beginning, is the beginning.
		return Place >= static_cast<double>(Count) ? Count : Place > 0 ? static_cast<std::size_t>(Place) : 0;
	}
}
