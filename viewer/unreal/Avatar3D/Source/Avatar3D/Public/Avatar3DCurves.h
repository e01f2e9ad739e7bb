// Names of Live Link curves, and a frame of an avatar from their values. Nothing here needs the engine, so that it is tested without one.

#pragma once

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "a3d/avatar.hpp"
#include "a3d/rotation.hpp"
#include "a3d/stream_packet.hpp"

#include "Avatar3DAxes.h"

namespace Avatar3D
{
	constexpr std::size_t NumArkit = 52;
	constexpr std::size_t NumTurns = 3;

	/** In the order of the stream, with the names that Unreal's own face capture gives them. */
	inline constexpr const char* ArkitNames[NumArkit] = {
		"BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft", "CheekSquintRight",
		"EyeBlinkLeft", "EyeBlinkRight", "EyeLookDownLeft", "EyeLookDownRight", "EyeLookInLeft", "EyeLookInRight", "EyeLookOutLeft",
		"EyeLookOutRight", "EyeLookUpLeft", "EyeLookUpRight", "EyeSquintLeft", "EyeSquintRight", "EyeWideLeft", "EyeWideRight", "JawForward",
		"JawLeft", "JawOpen", "JawRight", "MouthClose", "MouthDimpleLeft", "MouthDimpleRight", "MouthFrownLeft", "MouthFrownRight", "MouthFunnel",
		"MouthLeft", "MouthLowerDownLeft", "MouthLowerDownRight", "MouthPressLeft", "MouthPressRight", "MouthPucker", "MouthRight",
		"MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthSmileLeft", "MouthSmileRight", "MouthStretchLeft",
		"MouthStretchRight", "MouthUpperUpLeft", "MouthUpperUpRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut"};
	inline constexpr const char* HeadNames[NumTurns] = {"HeadYaw", "HeadPitch", "HeadRoll"};
	inline constexpr const char* EyeNames[2 * NumTurns] = {"LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"};

	constexpr std::size_t CurveNameSize = 48;

	/** Name of number Index of a rig's channel: Flame_jaw_pose_0. */
	inline void FlameCurveName(const char* Channel, std::size_t Index, char (&Out)[CurveNameSize])
	{
		std::snprintf(Out, CurveNameSize, "Flame_%s_%u", Channel, static_cast<unsigned>(Index));
	}

	/** Radians of a half turn, in which Unreal's own face capture gives the turns of head and eyes. */
	constexpr float HalfTurn = 3.14159265f;

	inline bool IsHead(const a3d::StreamChannel& Channel)
	{
		return std::strcmp(Channel.name, "head") == 0 && Channel.width == NumTurns;
	}

	inline bool IsEyes(const a3d::StreamChannel& Channel)
	{
		return std::strcmp(Channel.name, "eyes") == 0 && Channel.width == 2 * NumTurns;
	}

	/** A stream's frame, in place, as its curves have it: the turns of head and eyes in half turns. */
	inline void ToCurveValues(const a3d::Introduction& Introduction, float* Values)
	{
		for (std::size_t At = 0; At < Introduction.channel_count; ++At)
		{
			const a3d::StreamChannel& Channel = Introduction.channel[At];
			for (std::size_t Index = 0; (IsHead(Channel) || IsEyes(Channel)) && Index < Channel.width; ++Index)
			{
				Values[Channel.offset + Index] /= HalfTurn;
			}
		}
	}

	/** Name of number Index of a stream's channel. */
	inline void StreamCurveName(const a3d::StreamChannel& Channel, std::size_t Index, char (&Out)[CurveNameSize])
	{
		const char* Known = nullptr;
		if (std::strcmp(Channel.name, "arkit") == 0 && Channel.width == NumArkit)
		{
			Known = ArkitNames[Index];
		}
		else if (IsHead(Channel))
		{
			Known = HeadNames[Index];
		}
		else if (IsEyes(Channel))
		{
			Known = EyeNames[Index];
		}
		if (Known != nullptr)
		{
			std::snprintf(Out, CurveNameSize, "%s", Known);
		}
		else
		{
			FlameCurveName(Channel.name, Index, Out);
		}
	}

	/** Yaw to the subject's left, pitch downwards, roll to the subject's right, radians, as a rotation in avatar3d's axes. */
	inline a3d::Quaternion FromTurns(const float* Turns)
	{
		const double Yaw[3] = {0, Turns[0], 0}, Pitch[3] = {Turns[1], 0, 0}, Roll[3] = {0, 0, Turns[2]};
		return a3d::product(a3d::product(a3d::to_quaternion(Yaw), a3d::to_quaternion(Pitch)), a3d::to_quaternion(Roll));
	}

	/** Place (centimetres) and rotation (x y z w) of the head in Unreal's axes, from a stream's frame: of the rig where there is one. */
	inline void HeadTransform(const a3d::Introduction& Introduction, const float* Values, double* Place, double* Rotation)
	{
		const a3d::StreamChannel* Head = Introduction.find("head");
		const a3d::StreamChannel* Root = Introduction.find("rotation");
		const a3d::StreamChannel* Neck = Introduction.find("neck_pose");
		const a3d::StreamChannel* Shift = Introduction.find("translation");
		a3d::Quaternion Turn{1, 0, 0, 0};
		const auto Turned = [Values](const a3d::StreamChannel& Channel)
		{
			const double Vector[3] = {Values[Channel.offset], Values[Channel.offset + 1], Values[Channel.offset + 2]};
			return a3d::to_quaternion(Vector);
		};
		if (Root != nullptr && Neck != nullptr && Root->width == 3 && Neck->width == 3)
		{
			Turn = a3d::product(Turned(*Root), Turned(*Neck));
		}
		else if (Head != nullptr && Head->width == NumTurns)
		{
			Turn = FromTurns(Values + Head->offset);
		}
		ToUnrealRotation(Turn.w, Turn.x, Turn.y, Turn.z, Rotation);
		Place[0] = Place[1] = Place[2] = 0;
		if (Shift != nullptr && Shift->width == 3)
		{
			const float* Moved = Values + Shift->offset;
			ToUnrealPosition<double>(Moved[0], Moved[1], Moved[2], Place);
		}
	}

	/** Number of ARKit's shape that a line of text names, whatever its first letter's case; NumArkit where there is none. */
	inline std::size_t ArkitIndex(const char* Name, std::size_t Length)
	{
		for (std::size_t Index = 0; Index < NumArkit; ++Index)
		{
			const char* Known = ArkitNames[Index];
			if (Length == std::strlen(Known) && Length > 0 && (Name[0] | 0x20) == (Known[0] | 0x20) && std::strncmp(Name + 1, Known + 1, Length - 1) == 0)
			{
				return Index;
			}
		}
		return NumArkit;
	}

	/**
	 * A frame [Avatar.frame_size] from ARKit's weights [52] and the head's turns [3], radians.
	 * False where the avatar's expressions are not ARKit's: its frames need a rig's channels, and this one stays as it was.
	 */
	inline bool FrameFromArkit(const a3d::Avatar& Avatar, const float* Weights, const float* Turns, float* Frame)
	{
		/** Gaze in radians that EyeLook... = 1 stands for. */
		constexpr float LookAngle = 0.5f;
		const a3d::Channel* Expressions = Avatar.find("expr");
		const a3d::Channel* Jaw = Avatar.find("jaw_pose");
		const a3d::Channel* Eyes = Avatar.find("eyes_pose");
		const a3d::Channel* Neck = Avatar.find("neck_pose");
		if (Expressions == nullptr || Jaw == nullptr || Eyes == nullptr || Neck == nullptr || Avatar.expr_names.size() == 0)
		{
			return false;
		}
		// First whether it can be done, then the frame.
		for (const bool bWrite : {false, true})
		{
			for (std::size_t Slot = 0; bWrite && Slot < Avatar.frame_size; ++Slot)
			{
				Frame[Slot] = 0;
			}
			const char* Name = Avatar.expr_names.data();
			for (std::size_t Index = 0; Index < Expressions->width; ++Index)
			{
				const std::size_t Length = std::strcspn(Name, "\n");
				const std::size_t Shape = ArkitIndex(Name, Length);
				if (Shape == NumArkit)
				{
					return false;
				}
				if (bWrite)
				{
					Frame[Expressions->offset + Index] = Weights[Shape];
				}
				Name += Name[Length] == '\n' ? Length + 1 : Length;
			}
		}
		Frame[Jaw->offset] = Weights[ArkitIndex("JawOpen", 7)] * Avatar.jaw_open_angle;
		const auto Weight = [Weights](const char* Of) { return Weights[ArkitIndex(Of, std::strlen(Of))]; };
		float* Gaze = Frame + Eyes->offset;
		Gaze[0] = LookAngle * (Weight("EyeLookDownLeft") - Weight("EyeLookUpLeft"));
		Gaze[1] = LookAngle * (Weight("EyeLookOutLeft") - Weight("EyeLookInLeft"));
		Gaze[3] = LookAngle * (Weight("EyeLookDownRight") - Weight("EyeLookUpRight"));
		Gaze[4] = LookAngle * (Weight("EyeLookInRight") - Weight("EyeLookOutRight"));
		double Vector[3];
		a3d::to_vector(FromTurns(Turns), Vector);
		for (std::size_t Axis = 0; Axis < 3; ++Axis)
		{
			Frame[Neck->offset + Axis] = static_cast<float>(Vector[Axis]);
		}
		return true;
	}
}
